"""`dgp degradations mask`: the damage that is found in a picture, as a mask to correct."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli.options import Speech, png_option, speech


@click.command(
    epilog="""\b
Examples:
  dgp degradations mask photo.png -o mask.png
  dgp inpaint photo.png --mask mask.png        once it is corrected in any paint program"""
)
@click.argument("image", type=click.Path(path_type=Path), metavar="IMAGE")
@png_option("IMAGE-mask.png")
@speech
def mask(image: Path, output: Path | None, speech: Speech):
    """Find scratches, creases, dust and holes, and write them as a mask: white is damage."""
    from degradations import find_damage
    from dgp.cli.outputs import png_file
    from dgp.cli.run import printable, writable_file
    from dgp.observation.figures import png_bytes
    from dgp.observation.images import open_picture
    from dgp.output.restoration import mask_picture
    from generators.progress import waiting

    picture = open_picture(image)
    output = png_file(output, f"{image.stem}-mask.png")
    write = writable_file(output)
    with waiting("looking for damage"):
        found = find_damage(picture.image)[0, 0]
    write(png_bytes(mask_picture(found)))
    share = float(found.float().mean())
    speech.give(
        {
            "output": str(output),
            "input": {"path": str(image), "sha256": picture.sha256},
            "size": list(picture.size),
            "share": share,
        }
    )
    speech.say(f"{printable(image)} -> {printable(output)}: {100 * share:.1f} % of the pixels look damaged")
