"""Options of the commands that run the engine, as decorators that collect them into a dataclass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.checkpoint import EVERY
from dgp.cli import complete
from dgp.cli.complete import DEFAULT_PRIOR
from dgp.cli.console import collect_options, log_file_option, writing_log
from dgp.cli.plugins import plugin_option
from dgp.runs.plugins import load_plugins
from dgp.runs.settings import RunSettings

if TYPE_CHECKING:
    from dgp.recipes.schema import Recipe
    from generators import Prior


@dataclass(frozen=True)
class EngineOptions:
    """The values of the options that all commands that run the engine have."""

    prior: str
    overrides: tuple[str, ...]
    budget: int | None
    seed: int
    device: str
    num_solutions: int
    plugins: tuple[str, ...]
    fit: str
    max_pixels: int
    merge: bool
    deterministic: bool
    log_file: Path | None
    dry_run: bool

    def load_recipe(self, name: str, prior: Prior) -> Recipe:
        """Return a recipe by name or file, or its stand-in on the prior, changed by --set, --budget and --no-merge."""
        from dgp.runs.recipe import load_changed_recipe

        return load_changed_recipe(name, prior, self.overrides, self.budget, self.merge)

    def notes(self, recipe: Recipe) -> list[str]:
        """Return notes for the user on the changes by --set, given the changed recipe."""
        from dgp.recipes.unused_overrides import rate_notes

        return rate_notes(self.overrides, recipe)

    def load_plugins(self) -> tuple[dict, ...]:
        """Execute the plugin files, and return their entries for result.json (`plugins.load_plugins`)."""
        return load_plugins(self.plugins)


@dataclass(frozen=True)
class RunOptions(EngineOptions):
    """The values of the options of the commands that restore pictures."""

    output: Path
    recipe: str
    label: str
    weight: str | None
    align: str
    landmarks: str | None
    detector: str
    simulate: bool
    simulate_at: str
    truth: str | None
    start: Path | None
    overwrite: bool
    resume: bool
    checkpoint_every: float

    def settings(self, degradation: str | None) -> RunSettings:
        """Return the settings of the call's runs.

        Args:
            degradation: the spec; None where the command chooses the operator for each picture.
        """
        given = {name: getattr(self, name) for name in RunSettings.__dataclass_fields__ if hasattr(self, name)}
        return RunSettings(**given | {"degradation": degradation, "start": self.start and str(self.start)})


def degradation_option(help: str, *, multiple: bool = False, required: bool = True) -> Callable:
    """Return the option -d, which a command gets as `spec`, or as `specs` if it may be repeated."""
    return click.option(
        *("-d", "--degradation", "specs" if multiple else "spec"),
        multiple=multiple,
        required=required,
        metavar="SPEC",
        shell_complete=complete.degradations,
        help=help,
    )


max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1, 178_956_970),  # as in ``degradations.files.decoding``, which would import PyTorch
    default=64_000_000,
    metavar="N",
    help="The largest picture that is opened, in pixels; a larger one is refused before it is decoded.",
)


def seed_option(help: str) -> Callable:
    """Return the option --seed."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, metavar="N", help=help)


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    show_default=False,
    help="Change a setting of the recipe, by a key from `dgp recipes show`, e.g. 'stages.*.steps=50' (in quotes, as "
    "shells expand *). stages.*.lr is the learning rate of all latents in all stages, stages.*.release.lr that of the "
    "released layers. Repeatable. (In Python: overrides.)",
)

ENGINE = (
    click.option(
        "-p",
        "--prior",
        default=DEFAULT_PRIOR,
        metavar="NAME|FILE",
        shell_complete=complete.priors,
        help="The generator: a name from `dgp priors list`, a weights file, or a folder with the weights of generator "
        "and discriminator.",
    ),
    set_option,
    click.option(
        "--budget",
        type=click.IntRange(1),
        metavar="EVALUATIONS",
        show_default=False,
        help="The cost of each solution; the numbers of steps and candidates are scaled to it. A forward pass through "
        "a network counts 1, forward and backward 3 (default: the cost of the recipe).",
    ),
    seed_option("Random seed; the same seed gives the same result."),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="The device to compute on."
    ),
    click.option(
        "--num-solutions",
        type=click.IntRange(1),
        default=1,
        metavar="N",
        help="How many independent solutions to compute for each picture; they are saved with their mean and spread.",
    ),
    plugin_option,
    click.option(
        "--fit",
        type=click.Choice(["auto", "crop", "pad", "stretch", "object"]),
        default="auto",
        help="How a picture is brought to the prior's resolution; object: a square around the object that "
        "--weight marks.",
    ),
    max_pixels_option,
    click.option(
        "--merge/--no-merge",
        default=True,
        help="Finish with the smallest change of the result that makes it match the input after degradation (if the "
        "recipe does so).",
    ),
    click.option(
        "--deterministic",
        is_flag=True,
        show_default=False,
        help="Compute so that equal runs on equal machines give equal bytes: with one CPU thread, one row at a time, "
        "and PyTorch's checks. Slower; see docs/reproducibility.md.",
    ),
    log_file_option,
    click.option(
        "-n", "--dry-run", is_flag=True, show_default=False, help="Check the input, and print what would be done."
    ),
)
RUN = (
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default="out",
        metavar="DIR",
        help="The results are written into DIR/<name of the picture>/.",
    ),
    ENGINE[0],
    click.option(
        "-r",
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        shell_complete=complete.recipes,
        help="The method: a name from `dgp recipes list`, or a TOML file.",
    ),
    ENGINE[1],
    click.option(
        "--class",
        "label",
        default="auto",
        metavar="NAME|ID|auto",
        shell_complete=complete.classes,
        help="The class of the picture, one of the prior's; auto: found from the picture. (In Python: label.)",
    ),
    click.option(
        "--weight",
        metavar="FILE",
        shell_complete=complete.files,
        show_default=False,
        help="A weight map of the picture's size, such as an object's mask: white pixels count fully, black ones not.",
    ),
    click.option(
        "--align",
        type=click.Choice(["none", "face"]),
        default="none",
        help="face: find the faces of the photograph, restore each in a square of its own, upright as in FFHQ, and put "
        "it back with a soft seam; around them the photograph stays as it is (grey stays grey, and holes that lie in "
        "no face's square stay). With --simulate, the square of the first face is degraded.",
    ),
    click.option(
        "--landmarks",
        metavar="FILE",
        shell_complete=complete.files,
        show_default=False,
        help="With --align face: where the faces are, so that none is looked for. JSON or CSV of five points in pixels "
        "for each face: left and right eye, nose, left and right corner of the mouth (left of the viewer); or the 68 "
        "of iBUG 300-W. `dgp align` writes such a file.",
    ),
    click.option(
        "--detector",
        metavar="NAME",
        default="mtcnn",
        help="With --align face: what finds the faces; mtcnn needs pip install 'deep-generative-prior[faces]'.",
    ),
    *ENGINE[2:-1],
    click.option(
        "--simulate",
        is_flag=True,
        show_default=False,
        help="The pictures are clean: degrade them first, and measure the results against them.",
    ),
    click.option(
        "--simulate-at",
        type=click.Choice(["prior", "photo"]),
        default="prior",
        help="With --simulate: degrade the picture at the prior's resolution, or the photograph at its own size, and "
        "measure the result there.",
    ),
    click.option(
        "--truth",
        metavar="SPEC",
        shell_complete=complete.degradations,
        show_default=False,
        help="With --simulate: the degradation that is really applied, if -d is another one or has unknown values "
        "(blur:sigma=auto).",
    ),
    click.option(
        "--start",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        metavar="DIR",
        show_default=False,
        help="Start from an earlier result instead of searching: the folder of that run, or an output folder with one "
        "for each picture.",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        show_default=False,
        help="Replace the result of a different run in the folder, after the new one is complete; other files stay.",
    ),
    click.option(
        "--resume/--fresh",
        default=True,
        help="Go on from the checkpoint of an interrupted run; --fresh: begin anew, even if the run is done.",
    ),
    click.option(
        "--checkpoint-every",
        type=click.FloatRange(0),
        default=EVERY,
        metavar="SECONDS",
        help="Save the state of the run at this interval, or less often if that would take more than 1 % of the time; "
        "0: never. Ctrl-C and SIGTERM save it too.",
    ),
    ENGINE[-1],
)


def engine_options(function: Callable) -> Callable:
    """Decorate a command with the options of the engine, which it gets as `options`, an EngineOptions."""
    return collect_options(writing_log(function), ENGINE, "options", EngineOptions)


def run_options(function: Callable) -> Callable:
    """Decorate a command with the options of a restoration, which it gets as `options`, a RunOptions."""
    return collect_options(writing_log(function), RUN, "options", RunOptions)
