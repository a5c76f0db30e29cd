"""`dgp evaluate`: recipes side by side on clean pictures."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli import complete
from dgp.cli.options import Console, EngineOptions, console, engine_options
from dgp.cli.run import printable_text, writable


@click.command(
    epilog="""\b
Examples:
  dgp evaluate pictures/ -d gray
  dgp evaluate pictures.zip -d gray -d sr:4 -d inpaint:center=1/3 --recipe default,latent-mse --per-class 2
  dgp evaluate pictures/ -d sr:4 --count 50 --class auto --num-solutions 8
  dgp evaluate pictures/ -d gray --random-weights --json
  dgp evaluate cifar10.zip -d gray --judge benchmarks/judge-cifar10.safetensors

\b
DIR gets summary.json, table.md, a gallery for each degradation, and a result for each method, degradation
and picture. A call that is repeated does only what is missing: raise --count to add pictures, name further
recipes to add methods.
Two baselines are always included: the degraded input itself, and a classical method (mean chroma of the
prior's own samples, bicubic enlargement, biharmonic inpainting)."""
)
@click.argument("source", type=click.Path(path_type=Path), metavar="SOURCE")
@click.option(
    "-d",
    "--degradation",
    "specs",
    multiple=True,
    required=True,
    metavar="SPEC",
    shell_complete=complete.degradations,
    help="What to undo: gray, sr:4, inpaint:center=1/3, a chain. Repeatable.",
)
@click.option(
    "--truth",
    metavar="SPEC",
    shell_complete=complete.degradations,
    show_default=False,
    help="The degradation that is applied, where -d names another or leaves values open (blur:sigma=auto).",
)
@click.option(
    "-r",
    "--recipe",
    "--recipes",
    "recipes",
    multiple=True,
    default=["default"],
    metavar="A,B,...",
    shell_complete=complete.recipes,
    callback=lambda context, option, given: ",".join(given),
    help="Recipes, by name or TOML file; the others are compared to the first. Repeatable.",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    metavar="N",
    show_default=False,
    help="How many pictures, spread evenly over the folders (default: all).",
)
@click.option(
    "--per-class",
    type=click.IntRange(1),
    metavar="N",
    show_default=False,
    help="How many pictures of each folder, instead of --count.",
)
@click.option(
    "--class",
    "label",
    default="folder",
    metavar="folder|auto|NAME|ID",
    shell_complete=complete.classes,
    help="folder: a picture's folder names its class; auto: searched for; or one class for all.",
)
@click.option(
    "--random-weights",
    is_flag=True,
    show_default=False,
    help="Also run every recipe on a generator of random weights.",
)
@click.option(
    "--judge",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default=False,
    help="A small classifier, which tells how many results are recognised as their class.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="evaluation",
    metavar="DIR",
    help="Where results, tables and galleries go.",
)
@engine_options
@console
def evaluate(
    source: Path,
    specs: tuple[str, ...],
    truth: str | None,
    recipes: str,
    count: int | None,
    per_class: int | None,
    label: str,
    random_weights: bool,
    judge: Path | None,
    output: Path,
    options: EngineOptions,
    console: Console,
):
    """Compare recipes on a set of clean pictures.

    SOURCE is a folder or a zip archive of clean pictures, each in a folder named after its class.
    They are brought to the prior's resolution, degraded, restored by every recipe, and measured.
    """
    if count is not None and per_class is not None:
        raise click.UsageError("got both --count and --per-class; give one of them")
    import dgp
    from dgp.device import resolve_device
    from dgp.evaluation import Evaluation, Source
    from dgp.evaluation.judge import load_judge
    from generators.progress import waiting

    device = resolve_device(options.device)
    plugins = options.load_plugins()
    chosen = _recipes(recipes, options)
    for note in dict.fromkeys(note for recipe in chosen.values() for note in options.notes(recipe)):
        console.note(note)
    critic = load_judge(judge) if judge else None
    prior = dgp.load_prior(options.prior)
    writable(output)
    pictures = Source(source)
    evaluation = Evaluation(
        pictures.open(pictures.choose(count, per_class)),
        specs,
        chosen,
        prior,
        output,
        label,
        options.seed,
        options.num_solutions,
        device,
        random_weights,
        plugins,
        options.fit,
        critic,
        truth,
    )
    with waiting("preparing the comparison"):
        evaluation.check()
    if options.dry_run:
        todo, units = evaluation.todo, len(evaluation.pictures) * len(specs) * len(evaluation.arms)
        console.print_json({"status": "planned", "units": units, "todo": todo, "steps": evaluation.work})
        console.print(f"{todo} of {units} units to do, in {evaluation.work} steps -> {printable_text(output)}")
        return
    _follow(evaluation)
    with waiting("writing the tables"):
        summary = evaluation.write()
    from dgp.evaluation.sheets import table

    console.print_json(summary)
    if not console.as_json:
        console.print(table(summary))
    console.print(
        f"{len(evaluation.pictures)} pictures, {len(specs)} degradations, {len(evaluation.arms)} arms -> "
        f"{printable_text(output / 'table.md')}"
    )


def _recipes(text: str, options: EngineOptions) -> dict:
    """Recipes by the names that the tables give them."""
    chosen = {}
    for name in (part.strip() for part in text.split(",")):
        short = Path(name).stem if name.endswith(".toml") else name
        if not name or short in chosen:
            raise click.UsageError(f"got --recipe {text!r}; expected different names, separated by commas")
        chosen[short] = options.load_recipe(name)
    return chosen


def _follow(evaluation) -> None:
    from generators.progress import report

    done, work = 0, evaluation.work

    def on_step(count: int, doing: str) -> None:
        nonlocal done
        done += count
        report(doing, done, work)

    evaluation.run(on_step)
    report("")
