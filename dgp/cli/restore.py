"""`dgp restore`, and the commands that fill in the degradation: colorize, inpaint, upscale, invert."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.cli import complete
from dgp.cli.options import Console, RunOptions, console, run_options
from dgp.cli.run import run_pictures

if TYPE_CHECKING:
    from degradations import Degradation
    from dgp.observation.images import Picture
    from dgp.recipes.recipe import Recipe

images_argument = click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")


@click.command(
    epilog="""\b
Examples:
  dgp restore photo.png -d gray
  dgp restore small.png -d sr:4 --class horse
  dgp restore holed.png -d inpaint:mask=hole.png -o results
  dgp restore clean.png -d gray+sr:2 --simulate --num-solutions 8
  dgp restore old.png -d auto
  dgp restore *.png -d gray --json
  dgp restore scans/ -d auto                 every picture in the folder

\b
`dgp degradations list` names the operators. Each IMAGE gets a folder DIR/<its name>/ with restored.png,
comparison.png and result.json. A run that is complete there is not repeated."""
)
@images_argument
@click.option(
    "-d",
    "--degradation",
    "spec",
    required=True,
    metavar="SPEC",
    shell_complete=complete.degradations,
    help="What happened to the picture: gray, sr:4, inpaint:mask=hole.png, a chain such as gray+sr:2, or auto.",
)
@run_options
@console
def restore(images: tuple[Path, ...], spec: str, options: RunOptions, console: Console):
    """Restore degraded pictures.

    Each IMAGE is a degraded picture, or with --simulate a clean one, which is degraded first; a folder means the
    pictures in it.
    """
    run_pictures(images, spec, options, console)


@click.command(
    epilog="""\b
Examples:
  dgp colorize photo.png
  dgp colorize photo.png --class cat --num-solutions 4
  dgp colorize *.jpg -o coloured
  dgp colorize clean.png --simulate -r dgp-colorization

\b
The picture's luminance is kept at its full size; of a colour picture only the luminance is used. A recipe
that defines a luminance of its own (dgp-colorization) uses that."""
)
@images_argument
@run_options
@console
def colorize(images: tuple[Path, ...], options: RunOptions, console: Console):
    """Give grey pictures their colours.

    An IMAGE may be a folder: the pictures in it.
    """
    run_pictures(images, _published({"gray": None}, "gray"), options, console)


def _fraction(context: click.Context, option: click.Parameter, text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        fraction = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fraction = None
    if fraction is None or fraction >= 1 or fraction <= 0:
        left = "leaves nothing of the picture" if fraction and fraction >= 1 else "is not a valid fraction"
        raise click.BadParameter(f"{text} {left}; expected one between 0 and 1, such as 1/3 or 0.25")
    return fraction


@click.command(
    epilog="""\b
Examples:
  dgp inpaint photo.png --mask hole.png
  dgp inpaint photo.png --mask keep.png --invert-mask     black, or unpainted, is missing
  dgp inpaint photo.png --mask auto       finds scratches and holes; mask.png shows them
  dgp inpaint photo.png --hole 1/3
  dgp inpaint erased.png                  the transparent pixels are the hole
  dgp inpaint clean.png --hole 1/3 --simulate

\b
Pixels outside the hole stay as they are. With neither --mask nor --hole the picture must have transparent
pixels."""
)
@images_argument
@click.option(
    "--mask",
    metavar="FILE",
    shell_complete=complete.files,
    show_default=False,
    help="A picture of the same size, white where something is missing, or a transparent layer with what is missing "
    "painted; or auto: scratches, creases, dust and holes are found, and saved as mask.png to be corrected.",
)
@click.option(
    "--invert-mask",
    "invert",
    is_flag=True,
    show_default=False,
    help="Invert --mask FILE: what it marks as missing is kept, and all else is filled.",
)
@click.option(
    "--hole",
    metavar="FRACTION",
    callback=_fraction,
    show_default=False,
    help="A centred hole of this fraction of each side, such as 1/3 or 0.25.",
)
@run_options
@console
def inpaint(
    images: tuple[Path, ...],
    mask: str | None,
    invert: bool,
    hole: Fraction | None,
    options: RunOptions,
    console: Console,
):
    """Fill missing regions of pictures.

    An IMAGE may be a folder: the pictures in it.
    """
    if mask is not None and hole is not None:
        raise click.UsageError("got both --mask and --hole; give one of them")
    if invert and mask in (None, "alpha", "auto"):
        raise click.UsageError(f"--invert-mask turns a mask file round, got {mask or 'none'}; give --mask FILE")

    def specify(picture: Picture, recipe: Recipe) -> Degradation:
        import degradations

        if mask is not None or hole is not None:
            return degradations.Inpaint(mask=mask, center=hole, invert=invert)
        if _transparent(picture):
            return degradations.Inpaint(mask="alpha")
        if options.simulate and (recipe.operator or "").startswith("inpaint"):
            return degradations.parse(recipe.operator)
        raise click.UsageError("the picture has no transparent pixels; give --mask FILE or --hole FRACTION")

    run_pictures(images, specify, options, console)


@click.command(
    epilog="""\b
Examples:
  dgp upscale small.png --factor 4
  dgp upscale clean.png --factor 4 --simulate
  dgp upscale clean.png --factor 4 --simulate -r dgp-sr-d

\b
The picture must have 1/FACTOR of the prior's resolution (8x8 for a factor of 4 on a 32-px prior);
--fit scales others to that size first, which loses their detail. A recipe with an operator of its own
is run with that: pulse, and with --simulate, at factor 4, dgp-sr-d."""
)
@images_argument
@click.option(
    "--factor",
    type=click.FloatRange(1, min_open=True),
    required=True,
    metavar="N",
    help="How many times larger, along each side.",
)
@run_options
@console
def upscale(images: tuple[Path, ...], factor: float, options: RunOptions, console: Console):
    """Enlarge small pictures.

    An IMAGE may be a folder: the pictures in it.
    """
    spec = f"sr:{factor:g}"
    own = {"sr-pulse": f"sr-pulse:{factor:g}"} if factor == int(factor) else {}
    # DGP's pair of filters observes the enlarged picture, so that only a simulated one can be had.
    if options.simulate and factor == 4:
        own["sr-dgp"] = "sr-dgp"
    run_pictures(images, _published(own, spec), options, console)


@click.command(
    epilog="""\b
Examples:
  dgp invert photo.png
  dgp invert photo.png -r dgp-reconstruction --fit crop
  dgp invert photo.png -r aligned --weight object.png --fit object
  dgp invert photo.png --set 'stages.*.steps=50' --json

\b
restored_prior.png is the output of the generator; latents.safetensors and weights.safetensors hold what
it was made from."""
)
@images_argument
@run_options
@console
def invert(images: tuple[Path, ...], options: RunOptions, console: Console):
    """Invert intact pictures: find latents and weights that reproduce them.

    An IMAGE may be a folder: the pictures in it.
    """
    run_pictures(images, "identity", options, console)


def _published(own: dict[str, str | None], spec: str):
    """Where the recipe's own operator is named in ``own``, the spec that stands there, or its own; else ``spec``."""

    def specify(picture: Picture, recipe: Recipe) -> Degradation:
        import degradations

        published = recipe.operator and degradations.parse(recipe.operator).name
        asked = (own[published] or recipe.operator) if published in own else spec
        return degradations.parse(asked)

    return specify


def _transparent(picture: Picture) -> bool:
    from dgp.observation.images import flatten

    alpha = flatten(picture)[1]
    return alpha is not None and alpha.getextrema()[0] < 128
