"""`dgp priors sample`: random pictures of a prior."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli import complete
from dgp.cli.complete import DEFAULT_PRIOR
from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.options import seed_option
from dgp.cli.outputs import png_option, png_writer, resolve_png_path
from dgp.cli.plugins import plugin_option
from dgp.runs.plugins import load_plugins


@click.command(
    epilog="""\b
Examples:
  dgp priors sample
  dgp priors sample weights/G_ema_128.pth --count 4 --truncation 0.5 -o four.png
  dgp priors sample biggan-cifar10 --class horse --seed 7 -o horses.png"""
)
@click.argument("name", metavar="[NAME|FILE]", required=False, shell_complete=complete.priors)
@click.option("-p", "--prior", "old_name", hidden=True)
@click.option("--count", type=click.IntRange(1, 4096), default=16, metavar="N", help="How many pictures.")
@click.option(
    "--class",
    "label",
    default="auto",
    metavar="NAME|ID|auto",
    shell_complete=complete.classes,
    help="The class of the pictures; auto: all classes in turn.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 2, min_open=True),
    default=1.0,
    metavar="T",
    help="Below 1: more typical and less varied pictures; above 1: the opposite, for networks with a latent w.",
)
@seed_option("Random seed; the same seed gives the same pictures.")
@png_option("PRIOR-samples.png")
@plugin_option
@console_options
def sample(
    name: str | None,
    old_name: str | None,
    count: int,
    label: str,
    truncation: float,
    seed: int,
    output: Path | None,
    plugins: tuple[str, ...],
    console: Console,
):
    """Generate random pictures of a prior, on one sheet."""
    import torch

    import generators
    from dgp.observation.figures import encode_png
    from dgp.observation.images import to_pil
    from dgp.random_streams import random_stream
    from generators.progress import report

    load_plugins(plugins)
    if old_name is not None:
        if name is not None:
            raise click.UsageError(f"got two priors, {name} and -p {old_name}; give the argument alone")
        console.note(f"`sample -p {old_name}` is deprecated; use `dgp priors sample {old_name}`")
    prior = generators.load(name or old_name or DEFAULT_PRIOR)
    output = resolve_png_path(output, f"{prior.name}-samples.png")
    info = prior.generator.info
    number = None if label == "auto" else info.class_index(label)
    classes = None
    if info.classes:
        classes = torch.arange(count) % len(info.classes) if number is None else torch.full((count,), number)
    write = png_writer(output)
    # With a random stream for each picture, a larger sheet begins with the pictures of a smaller one.
    streams = [random_stream(seed, "sample", picture) for picture in range(count)]
    pictures = []
    with torch.no_grad():
        latents = prior.generator.sample(count, truncation=truncation, classes=classes, generator=streams)
        for row in range(count):
            pictures.append(to_pil(prior.generator({key: value[row : row + 1] for key, value in latents.items()})))
            report("generating pictures", row + 1, count)
    sheet = _sheet(pictures)
    write(encode_png(sheet))
    console.print_json(
        {
            "output": str(output),
            "prior": {"name": prior.name, "sha256": prior.sha256},
            "count": count,
            "seed": seed,
            "truncation": truncation,
            "classes": None if classes is None else classes.tolist(),
            "size": list(sheet.size),
        }
    )
    console.print(f"{count} pictures of {prior.name} -> {printable_text(output)}")


def _sheet(pictures):
    """Arrange pictures in a grid that is nearly square, with gaps of 2 pixels; small ones are enlarged."""
    from PIL import Image

    side = pictures[0].width
    factor = max(1, 96 // side)
    columns = -(-len(pictures) // max(1, round(len(pictures) ** 0.5)))
    step = side * factor + 2
    sheet = Image.new("RGB", (columns * step + 2, -(-len(pictures) // columns) * step + 2), "white")
    for i, picture in enumerate(pictures):
        large = picture.resize((side * factor, side * factor), Image.Resampling.NEAREST)
        sheet.paste(large, (i % columns * step + 2, i // columns * step + 2))
    return sheet
