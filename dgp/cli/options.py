"""Options that several commands share, as decorators that gather them into one frozen dataclass."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.cli import complete
from dgp.cli.complete import DEFAULT_PRIOR

if TYPE_CHECKING:
    from dgp.recipes.recipe import Recipe

START_TIME = "dgp.begun"  # in a context's `meta`: when the call began, as time.perf_counter() tells


@dataclass(frozen=True)
class Console:
    """How a command speaks: `as_json` puts one object on stdout and everything else on stderr."""

    as_json: bool
    quiet: bool
    verbose: bool

    def print(self, line: str) -> None:
        """A line for people: on stdout, or on stderr where stdout belongs to the JSON object."""
        if not self.quiet:
            click.echo(line, err=self.as_json)

    def note(self, line: str) -> None:
        """A remark on the way."""
        if not self.quiet:
            click.echo(line, err=True)

    def detail(self, line: str) -> None:
        """A remark that only `-v` shows."""
        if self.verbose:
            click.echo(line, err=True)

    def print_json(self, value: dict) -> None:
        """The one JSON object, where it was asked for."""
        if self.as_json:
            click.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=True))


@dataclass(frozen=True)
class EngineOptions:
    """What every command that runs the engine needs to know."""

    prior: str
    overrides: tuple[str, ...]
    budget: int | None
    seed: int
    device: str
    num_solutions: int
    plugins: tuple[str, ...]
    fit: str
    merge: bool
    dry_run: bool

    def load_recipe(self, name: str) -> Recipe:
        """A recipe, changed as the call wants it."""
        import dgp
        from dgp.recipes.overrides import parse_overrides

        recipe = dgp.load_recipe(name, parse_overrides(self.overrides, self.budget))
        return recipe if self.merge else recipe.unmerged()

    def notes(self, recipe: Recipe) -> list[str]:
        """Return what to tell of the changes that the call asks for, given the changed recipe."""
        from dgp.recipes.unused_overrides import rate_notes

        return rate_notes(self.overrides, recipe)

    def load_plugins(self) -> tuple[dict, ...]:
        """Runs the plugin files; what a result records of them. PluginError for one that cannot be used."""
        return load_plugins(self.plugins)


@dataclass(frozen=True)
class RunOptions(EngineOptions):
    """The rest for those that restore pictures."""

    output: Path
    recipe: str
    label: str
    weight: str | None
    simulate: bool
    truth: str | None
    start: Path | None
    overwrite: bool


def load_plugins(plugins: tuple[str, ...]) -> tuple[dict, ...]:
    if not plugins:
        return ()
    import degradations
    from generators.progress import waiting

    with waiting("running the plugins"):
        loaded = [(path, *degradations.load_plugin(path)) for path in plugins]
    return tuple({"path": path, "names": list(names), "sha256": sha256} for path, names, sha256 in loaded)


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    shell_complete=complete.files,
    show_default=False,
    help="A Python file that registers degradations; its code is executed. Repeatable.",
)


def png_option(usual: str) -> Callable:
    """Return the -o of a command that writes one picture. usual: its name where none is given (`outputs.png_file`)."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        show_default=False,
        help=f"The PNG to write (default: {usual}).",
    )


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    show_default=False,
    help="Change the recipe by a key of `dgp recipes show`, e.g. 'stages.*.steps=50', in quotes, as shells expand *. "
    "stages.*.lr is the rate of all variables of all stages, stages.*.release.lr that of released layers. Repeatable. "
    "(In Python: overrides.)",
)

CONSOLE = (
    click.option("--json", "as_json", is_flag=True, show_default=False, help="Print one JSON object on stdout."),
    click.option("-q", "--quiet", is_flag=True, show_default=False, help="Print errors only."),
    click.option("-v", "--verbose", is_flag=True, show_default=False, help="Print details, and tracebacks of errors."),
)
ENGINE = (
    click.option(
        "-p",
        "--prior",
        default=DEFAULT_PRIOR,
        metavar="NAME|FILE",
        shell_complete=complete.priors,
        help="The generator: a name of `dgp "
        "priors list`, a weights file, or a folder with generator and discriminator.",
    ),
    set_option,
    click.option(
        "--budget",
        type=click.IntRange(1),
        metavar="EVALUATIONS",
        show_default=False,
        help="What each solution may cost; steps and candidates are scaled to it. A pass through a network counts 1, "
        "forward and backward 3 (default: what the recipe costs).",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        default=0,
        metavar="N",
        help="Equal seeds give equal answers.",
    ),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where to compute."),
    click.option(
        "--num-solutions",
        type=click.IntRange(1),
        default=1,
        metavar="N",
        help="Independent solutions for each picture, saved with their mean and spread.",
    ),
    plugin_option,
    click.option(
        "--fit",
        type=click.Choice(["auto", "crop", "pad", "stretch", "object"]),
        default="auto",
        help="How a picture is brought to the prior's resolution; object: a square around what --weight marks.",
    ),
    click.option(
        "--merge/--no-merge",
        default=True,
        help="Whether the result is changed at the end, as little as possible, so that it matches the input once "
        "degraded (where the recipe says so).",
    ),
    click.option(
        "-n",
        "--dry-run",
        is_flag=True,
        show_default=False,
        help="Check the input and print what would be done, without running it.",
    ),
)
RUN = (
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default="out",
        metavar="DIR",
        help="Results go to DIR/<name of the picture>/.",
    ),
    ENGINE[0],
    click.option(
        "-r",
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        shell_complete=complete.recipes,
        help="The method: a name of `dgp recipes list`, or a TOML file.",
    ),
    ENGINE[1],
    click.option(
        "--class",
        "label",
        default="auto",
        metavar="NAME|ID|auto",
        shell_complete=complete.classes,
        help="The class that the picture shows, one of the prior's; auto: searched for. (In Python: label.)",
    ),
    click.option(
        "--weight",
        metavar="FILE",
        shell_complete=complete.files,
        show_default=False,
        help="A weight map of the picture's size, such as an object's mask: white counts fully, black not at all.",
    ),
    *ENGINE[2:-1],
    click.option(
        "--simulate",
        is_flag=True,
        show_default=False,
        help="The pictures are clean: degrade them first, and compare the results with them.",
    ),
    click.option(
        "--truth",
        metavar="SPEC",
        shell_complete=complete.degradations,
        show_default=False,
        help="With --simulate: the degradation that is applied, where -d names another or leaves values open "
        "(blur:sigma=auto).",
    ),
    click.option(
        "--start",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="DIR",
        show_default=False,
        help="Start from the result of an earlier run instead of searching: its folder, or the output folder with one "
        "for each picture.",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        show_default=False,
        help="Replace the results of a different run in the same folder, once the new ones are there; other files are "
        "left alone.",
    ),
    ENGINE[-1],
)


def console(function: Callable) -> Callable:
    """Adds --json, -q and -v; the command gets them as `speech`. Shows what takes long, where somebody watches."""

    @functools.wraps(function)
    def shown(*arguments, console: Console, **options):
        from dgp.progress import display, is_interactive

        with display(is_interactive() and not console.quiet):
            return function(*arguments, console=console, **options)

    return _gathered(shown, CONSOLE, "speech", Console)


def engine_options(function: Callable) -> Callable:
    """Adds what runs the engine; the command gets it as `options`."""
    return _gathered(function, ENGINE, "options", EngineOptions)


def run_options(function: Callable) -> Callable:
    """Adds what restores pictures; the command gets it as `options`."""
    return _gathered(function, RUN, "options", RunOptions)


def _gathered(function: Callable, options: tuple, argument: str, kind: type) -> Callable:
    names = [field.name for field in fields(kind)]

    @functools.wraps(function)
    def command(**given):
        return function(**{argument: kind(**{name: given.pop(name) for name in names})}, **given)

    for option in reversed(options):
        command = option(command)
    return command
