"""`dgp restore`, and the commands for one degradation each: colorize, inpaint, upscale, invert."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.cli import complete
from dgp.cli.console import Console, console_options
from dgp.cli.options import RunOptions, degradation_option, run_options
from dgp.cli.run import run_pictures

if TYPE_CHECKING:
    from degradations import Degradation
    from dgp.observation.images import Picture
    from dgp.recipes.schema import Recipe

images_argument = click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE...")


@click.command(
    epilog="""\b
Examples:
  dgp restore photo.png -d gray
  dgp restore small.png -d sr:4 --class horse
  dgp restore holed.png -d inpaint:mask=hole.png -o results
  dgp restore clean.png -d gray+sr:2 --simulate --num-solutions 8
  dgp restore clean.jpg -d blur:2 --simulate --simulate-at photo
  dgp restore old.png -d auto
  dgp restore *.png -d gray --json
  dgp restore scans/ -d auto                 all pictures in the folder

\b
`dgp degradations list` shows the degradations; lengths are in pixels of the photograph. The results of each IMAGE
go into a folder DIR/<its name>/, with restored.png, comparison.png and result.json. If the folder holds the complete
result already, nothing is run."""
)
@images_argument
@degradation_option(
    "The degradation to undo: gray, sr:4, inpaint:mask=hole.png, a chain such as gray+sr:2; or auto, which finds it "
    "from the picture."
)
@run_options
@console_options
def restore(images: tuple[Path, ...], spec: str, options: RunOptions, console: Console):
    """Restore degraded pictures.

    Each IMAGE is a degraded picture, or a folder of them. With --simulate it is a clean picture, which is degraded
    first.
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
The picture's own luminance is kept, at full size. Of a colour picture only the luminance is used. Recipes with
their own definition of luminance (dgp-colorization) use that."""
)
@images_argument
@run_options
@console_options
def colorize(images: tuple[Path, ...], options: RunOptions, console: Console):
    """Colorize grey pictures.

    Each IMAGE is a picture, or a folder of pictures.
    """
    run_pictures(images, _with_recipe_operator({"gray": None}, "gray"), options, console)


def _parse_fraction(context: click.Context, option: click.Parameter, text: str | None) -> Fraction | None:
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
  dgp inpaint photo.png --mask keep.png --invert-mask     black or unpainted pixels are missing
  dgp inpaint photo.png --mask auto       finds scratches and holes, and saves them as mask.png
  dgp inpaint photo.png --hole 1/3
  dgp inpaint erased.png                  the transparent pixels are the hole
  dgp inpaint clean.png --hole 1/3 --simulate

\b
Pixels outside of the hole are not changed. Without --mask and --hole, the transparent pixels of the picture are
the hole."""
)
@images_argument
@click.option(
    "--mask",
    metavar="FILE",
    shell_complete=complete.files,
    show_default=False,
    help="A picture of the same size: missing pixels are white, or painted on a transparent layer. auto: find "
    "scratches, creases, dust and holes, and save them as mask.png, which can be corrected.",
)
@click.option(
    "--invert-mask",
    "invert",
    is_flag=True,
    show_default=False,
    help="Invert --mask FILE: the pixels that it marks are kept, and all others are filled.",
)
@click.option(
    "--hole",
    metavar="FRACTION",
    callback=_parse_fraction,
    show_default=False,
    help="A hole in the centre, as a fraction of each side, such as 1/3 or 0.25.",
)
@run_options
@console_options
def inpaint(
    images: tuple[Path, ...],
    mask: str | None,
    invert: bool,
    hole: Fraction | None,
    options: RunOptions,
    console: Console,
):
    """Fill missing regions of pictures.

    Each IMAGE is a picture, or a folder of pictures.
    """
    if mask is not None and hole is not None:
        raise click.UsageError("got both --mask and --hole; give one of them")
    if invert and mask in (None, "alpha", "auto"):
        raise click.UsageError(f"--invert-mask inverts a mask file, got {mask or 'none'}; give --mask FILE")

    def specify(picture: Picture, recipe: Recipe) -> Degradation:
        import degradations

        if mask is not None or hole is not None:
            return degradations.Inpaint(mask=mask, center=hole, invert=invert)
        if _has_hole(picture):
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
The picture must have 1/FACTOR of the prior's resolution (8x8 for a factor of 4 and a prior of 32 pixels);
--fit shows the prior a copy of other pictures that is scaled to that size. Recipes with their own downsampling
operator use that: pulse, and dgp-sr-d with --simulate and a factor of 4."""
)
@images_argument
@click.option(
    "--factor",
    type=click.FloatRange(1, min_open=True),
    required=True,
    metavar="N",
    help="How many times larger each side becomes.",
)
@run_options
@console_options
def upscale(images: tuple[Path, ...], factor: float, options: RunOptions, console: Console):
    """Enlarge small pictures.

    Each IMAGE is a picture, or a folder of pictures.
    """
    spec = f"sr:{factor:g}"
    own = {"sr-pulse": f"sr-pulse:{factor:g}"} if factor == int(factor) else {}
    # The operator of DGP enlarges its result again, so observations can only come from simulation.
    if options.simulate and factor == 4:
        own["sr-dgp"] = "sr-dgp"
    run_pictures(images, _with_recipe_operator(own, spec), options, console)


@click.command(
    epilog="""\b
Examples:
  dgp invert photo.png
  dgp invert photo.png -r dgp-reconstruction --fit crop
  dgp invert photo.png -r aligned --weight object.png --fit object
  dgp invert photo.png --set 'stages.*.steps=50' --json

\b
restored_prior.png is the output of the generator, the inversion itself; latents.safetensors and
weights.safetensors hold the latents and the changed weights that it was generated from. restored.png agrees with the
photograph at its own size, so that it equals it (unless --no-merge is given, or by the recipe)."""
)
@images_argument
@run_options
@console_options
def invert(images: tuple[Path, ...], options: RunOptions, console: Console):
    """Invert intact pictures: find the latents and weights that reproduce them.

    Each IMAGE is a picture, or a folder of pictures.
    """
    run_pictures(images, "identity", options, console)


def _with_recipe_operator(own: dict[str, str | None], spec: str):
    """Return a function that chooses the operator: a recipe's own operator has precedence over the command's.

    Args:
        own: name of a recipe's operator -> the spec to use for it; None: the recipe's own spec.
        spec: the spec for recipes without an operator in `own`.
    """

    def specify(picture: Picture, recipe: Recipe) -> Degradation:
        import degradations

        name = recipe.operator and degradations.parse(recipe.operator).name
        return degradations.parse((own[name] or recipe.operator) if name in own else spec)

    return specify


def _has_hole(picture: Picture) -> bool:
    """Return whether some pixels are more transparent than opaque."""
    from dgp.observation.images import flatten

    alpha = flatten(picture)[1]
    return alpha is not None and alpha.getextrema()[0] < 128
