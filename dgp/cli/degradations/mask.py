"""`dgp degradations mask`: write the damage that is found in a picture as a mask."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.options import max_pixels_option
from dgp.cli.outputs import png_option, png_writer, resolve_png_path


@click.command(
    epilog="""\b
Examples:
  dgp degradations mask photo.png -o mask.png
  dgp inpaint photo.png --mask mask.png        once it is corrected in any paint program"""
)
@click.argument("image", type=click.Path(path_type=Path), metavar="IMAGE")
@png_option("IMAGE-mask.png")
@max_pixels_option
@console_options
def mask(image: Path, output: Path | None, max_pixels: int, console: Console):
    """Find scratches, creases, dust and holes in a picture, and write them as a mask: white is damage."""
    from degradations import find_damage
    from dgp.observation.figures import encode_png
    from dgp.observation.images import open_picture
    from dgp.output.restoration import mask_picture
    from generators.progress import waiting

    picture = open_picture(image, max_pixels)
    output = resolve_png_path(output, f"{image.stem}-mask.png")
    write = png_writer(output)
    with waiting("looking for damage"):
        found = find_damage(picture.image)[0, 0]
    write(encode_png(mask_picture(found)))
    share = float(found.float().mean())
    console.print_json(
        {
            "output": str(output),
            "input": {"path": str(image), "sha256": picture.sha256},
            "size": list(picture.size),
            "share": share,
        }
    )
    console.print(
        f"{printable_text(image)} -> {printable_text(output)}: {100 * share:.1f} % of the pixels look damaged"
    )
