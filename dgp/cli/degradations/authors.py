"""`dgp degradations new` and `check`: commands for authors of operators."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli.console import Console, console_options
from dgp.cli.plugins import plugin_option
from dgp.runs.plugins import load_plugins


@click.command(
    epilog="""\b
Examples:
  dgp degradations new vignette
  dgp degradations new old-film -o plugins
  python -m pytest test_vignette.py
  dgp degradations check vignette.py"""
)
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=".",
    metavar="DIR",
    help="The folder for the two files.",
)
@console_options
def new(name: str, output: Path, console: Console):
    """Write a plugin and its test, as a starting point for a degradation of your own."""
    from degradations.authoring.template import write_new

    plugin, test = write_new(name, output)
    console.print_json({"name": name, "plugin": str(plugin), "test": str(test)})
    console.print(f"{plugin}: the operator, an example that lowers contrast\n{test}: its test")
    console.print(f"Next: python -m pytest {test}; dgp degradations check {plugin}")


@click.command(
    epilog="""\b
Examples:
  dgp degradations check mine.py
  dgp degradations check gray+sr:2
  dgp degradations check mine:0.5 --plugin mine.py --json

\b
Exit codes: 0 it passes, 1 it fails, 2 the SPEC is wrong, 3 it cannot be used."""
)
@click.argument("target", metavar="FILE|SPEC")
@plugin_option
@console_options
@click.pass_context
def check(context: click.Context, target: str, plugins: tuple[str, ...], console: Console):
    """Check that an operator keeps the contract of degradations, and list every violation.

    A plugin FILE is executed, and each of its operators is tried with the parameters of its `example`; a SPEC is
    tried as given.
    """
    import degradations as operators
    from degradations.conformance import find_skipped
    from degradations.conformance.advice import ADVICE
    from generators.progress import waiting

    is_file = target.endswith(".py") or Path(target).is_file()
    loaded = load_plugins((*plugins, target) if is_file else plugins)
    with waiting("trying the operators"):
        found, unusable = _check_operators(loaded[-1]["names"]) if is_file else _check_spec(target)
        specs = [operators.describe(name).example for name in loaded[-1]["names"]] if is_file else [target]
        tried = [spec for spec in specs if any(title.startswith(f"{spec} at ") for title in found)]
        skipped = {spec: parts for spec in tried if (parts := find_skipped(spec))}
    broken = {part: ADVICE[part] for findings in found.values() for part, _ in findings if part in ADVICE}
    console.print_json(
        {
            "kept": not broken and not unusable and not any(found.values()),
            "checked": [
                {"tried": tried, "findings": [{"part": part, "text": text} for part, text in findings]}
                for tried, findings in found.items()
            ],
            "skipped": skipped,
            "unusable": unusable,
            "advice": broken,
            "plugins": list(loaded),
        }
    )
    for tried, findings in found.items():
        console.print(f"{tried}: {'passes' if not findings else 'fails'}")
        for part, text in findings:
            console.print(f"  {part}: {text}")
    for spec, parts in skipped.items():
        console.print(f"{spec}: {', '.join(parts)} skipped, as it is tied to the size of its pictures")
    for part, advice in broken.items():
        console.print(f"What to do about {part}: {advice}.")
    for reason in unusable:
        click.echo(f"Error: {reason}", err=True)
    context.exit(3 if unusable else int(any(found.values())))


def _check_spec(spec: str) -> tuple[dict, list[str]]:
    from degradations.conformance import survey

    return {tried: _split_findings(findings) for tried, findings in survey(spec).items()}, []


def _check_operators(names: list[str]) -> tuple[dict, list[str]]:
    """Check each operator by its example.

    Returns:
        The findings by spec, each (part of the contract, text), and the reasons of operators that cannot be tried.
    """
    import degradations as operators

    found, unusable = {}, []
    for name in names:
        example = operators.describe(name).example
        try:
            found.update(_check_spec(example)[0])
        except operators.PluginError as error:
            unusable.append(str(error))
        except operators.DegradationError as error:
            found[example] = [("example", f"{error}; state one that can be built, as `example`")]
    return found, unusable


def _split_findings(findings: list[str]) -> list[tuple[str, str]]:
    return [tuple(finding.split(": ", 1)) for finding in findings]
