"""`dgp evaluate`: compare recipes on a set of clean pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.cli import complete
from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.options import EngineOptions, degradation_option, engine_options
from dgp.files import check_writable

if TYPE_CHECKING:
    from dgp.evaluation import Evaluation
    from generators import Prior


@click.command(
    epilog="""\b
Examples:
  dgp evaluate pictures/ -d gray
  dgp evaluate pictures.zip -d gray -d sr:4 -d inpaint:center=1/3 --recipe default,latent-mse --per-class 2
  dgp evaluate pictures/ -d sr:4 --count 50 --class auto --num-solutions 8
  dgp evaluate pictures/ -d gray --random-weights --json
  dgp evaluate cifar10.zip -d gray --judge benchmarks/judge-cifar10.safetensors

\b
DIR gets summary.json, table.md, a gallery for each degradation, and a result for each method, degradation and
picture. A repeated call only computes results that are missing: raise --count to add pictures, or name more
recipes to add methods.
Two baselines are always included: the degraded input itself, and a classical method (the mean chroma of random
pictures of the prior, bicubic enlargement, biharmonic inpainting)."""
)
@click.argument("source", type=click.Path(path_type=Path), metavar="SOURCE")
@degradation_option("The degradation to undo: gray, sr:4, inpaint:center=1/3, a chain. Repeatable.", multiple=True)
@click.option(
    "--truth",
    metavar="SPEC",
    shell_complete=complete.degradations,
    show_default=False,
    help="The degradation that is really applied, if -d is another one or has unknown values (blur:sigma=auto).",
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
    help="Recipes, by name or TOML file; the first is the reference for differences. Repeatable.",
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
    help="How many pictures from each folder; instead of --count.",
)
@click.option(
    "--class",
    "label",
    default="folder",
    metavar="folder|auto|NAME|ID",
    shell_complete=complete.classes,
    help="The class of the pictures. folder: the name of a picture's folder; auto: found from the picture; or one "
    "class for all pictures.",
)
@click.option(
    "--random-weights",
    is_flag=True,
    show_default=False,
    help="Also run every recipe on the same generator with random weights.",
)
@click.option(
    "--judge",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default=False,
    help="A small classifier (.safetensors), to measure how many results are recognised as the original's class.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="evaluation",
    metavar="DIR",
    help="The folder for results, tables and galleries.",
)
@engine_options
@console_options
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
    from dgp.process.determinism import deterministic
    from generators.progress import waiting

    device = resolve_device(options.device)
    plugins = options.load_plugins()
    classifier = load_judge(judge) if judge else None
    prior = dgp.load_prior(options.prior)
    chosen = _load_recipes(recipes, options, prior)
    for note in dict.fromkeys(note for recipe in chosen.values() for note in options.notes(recipe)):
        console.note(note)
    check_writable(output)
    pictures = Source(source)
    evaluation = Evaluation(
        pictures=pictures.open(pictures.choose(count, per_class), options.max_pixels),
        degradations=specs,
        recipes=chosen,
        prior=prior,
        folder=output,
        label=label,
        seed=options.seed,
        num_solutions=options.num_solutions,
        device=device,
        random_weights=random_weights,
        plugins=plugins,
        fit=options.fit,
        judge=classifier,
        truth=truth,
    )
    with waiting("preparing the comparison"):
        evaluation.check()
    if options.dry_run:
        todo, units = evaluation.remaining_units, len(evaluation.pictures) * len(specs) * len(evaluation.arms)
        console.print_json({"status": "planned", "units": units, "todo": todo, "steps": evaluation.remaining_steps})
        console.print(
            f"{todo} of {units} units to do, in {evaluation.remaining_steps} steps -> {printable_text(output)}"
        )
        return
    with deterministic(options.deterministic):
        _run_with_progress(evaluation)
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


def _load_recipes(text: str, options: EngineOptions, prior: Prior) -> dict:
    """Return the recipes of a list separated by commas, by their names in the tables."""
    chosen = {}
    for name in (part.strip() for part in text.split(",")):
        short = Path(name).stem if name.endswith(".toml") else name
        if not name or short in chosen:
            raise click.UsageError(f"got --recipe {text!r}; expected different names, separated by commas")
        chosen[short] = options.load_recipe(name, prior)
    return chosen


def _run_with_progress(evaluation: Evaluation) -> None:
    """Run the evaluation, and report the steps that are done."""
    from generators.progress import report

    done, work = 0, evaluation.remaining_steps

    def on_step(count: int, doing: str) -> None:
        nonlocal done
        done += count
        report(doing, done, work)

    evaluation.run(on_step)
    report("")
