"""`dgp degradations sheet`: draw all operators on one page."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli import complete
from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.options import seed_option
from dgp.cli.outputs import png_option, png_writer, resolve_png_path
from dgp.cli.plugins import plugin_option
from dgp.runs.plugins import load_plugins


@click.command(
    epilog="""\b
Examples:
  dgp degradations sheet -o sheet.png
  dgp degradations sheet photo.png --only gray --only sr -o some.png
  dgp degradations sheet --plugin mine.py --only mine -o mine.png"""
)
@click.argument("image", type=click.Path(path_type=Path), metavar="[IMAGE]", required=False)
@png_option("degradations.png")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    shell_complete=complete.operators,
    show_default=False,
    help="Draw only this operator. Repeatable.",
)
@click.option(
    "--side", type=click.IntRange(32, 512), default=112, metavar="PX", help="Width and height of each picture."
)
@click.option(
    "--columns", type=click.IntRange(1, 8), default=2, metavar="N", help="How many operators are drawn side by side."
)
@seed_option("Seed of random masks and noise.")
@plugin_option
@console_options
def sheet(
    image: Path | None,
    output: Path | None,
    only: tuple[str, ...],
    side: int,
    columns: int,
    seed: int,
    plugins: tuple[str, ...],
    console: Console,
):
    """Draw every operator at three strengths on one page.

    IMAGE is cropped to its central square; without one, a photograph of an astronaut is used (public domain).
    """
    import degradations as operators
    from degradations.authoring.sheet import draw, strengths
    from dgp.observation.figures import encode_png
    from dgp.observation.images import flatten, open_picture, to_tensor
    from generators.progress import waiting

    load_plugins(plugins)
    names = list(only) or operators.names()
    drawn = {name: list(strengths(name)) for name in names}
    output = resolve_png_path(output, "degradations.png")
    write = png_writer(output)
    picture = flatten(open_picture(image))[0].convert("RGB") if image is not None else _astronaut()
    with waiting("drawing the operators"):
        page = draw(to_tensor(_square(picture, side)), names, seed=seed, side=side, columns=columns)
    write(encode_png(page))
    console.print_json({"output": str(output), "size": list(page.size), "degradations": drawn, "seed": seed})
    console.print(f"{printable_text(output)}: {len(names)} operators, {page.width}x{page.height}")


def _astronaut():
    from PIL import Image
    from skimage import data

    return Image.fromarray(data.astronaut()).crop((40, 0, 400, 360))


def _square(picture, side: int):
    from PIL import Image, ImageOps

    return ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS)
