"""`dgp degradations`: the operators, what they take, and what they do to a picture."""

from __future__ import annotations

import re
from pathlib import Path

import click

from dgp.cli import complete
from dgp.cli.degradations.authors import check, new
from dgp.cli.degradations.mask import mask
from dgp.cli.degradations.sheet import sheet
from dgp.cli.groups import Group
from dgp.cli.options import Speech, load_plugins, plugin_option, png_option, speech

# A sentence such as "(N, 3, H, W) -> (N, 1, H, W)."
SHAPES = re.compile(r"\(N, [^()]*\) -> .*?\.(?:\s|$)", re.DOTALL)


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  dgp degradations list
  dgp degradations info sr
  dgp degradations preview photo.png -d gray+sr:2 -o degraded.png
  dgp degradations new vignette
  dgp degradations check vignette.py
  dgp degradations sheet -o sheet.png
  dgp degradations mask photo.png -o mask.png""",
)
def degradations():
    """List, inspect, preview, write and check degradations."""


for command in (new, check, sheet, mask):
    degradations.add_command(command)


@degradations.command(
    "list",
    epilog="""\b
Examples:
  dgp degradations list
  dgp degradations list --plugin mine.py --json""",
)
@plugin_option
@speech
def list_(plugins: tuple[str, ...], speech: Speech):
    """List all operators, with a summary of each."""
    import degradations as operators

    load_plugins(plugins)
    found = [operators.describe(name) for name in operators.names()]
    unusable = operators.broken()
    speech.give(
        {
            "degradations": [_described(d) for d in found],
            "unusable": [{"name": name, "reason": reason} for name, reason in unusable.items()],
        }
    )
    for reason in unusable.values():
        speech.note(reason)
    if not speech.as_json:
        width = max(len(d.example) for d in found)
        for description in found:
            speech.say(f"{description.example:{width}}  {for_people(description.summary)}")


@degradations.command(
    epilog="""\b
Examples:
  dgp degradations info inpaint
  dgp degradations info sr --json"""
)
@click.argument("name", shell_complete=complete.operators)
@plugin_option
@speech
def info(name: str, plugins: tuple[str, ...], speech: Speech):
    """Show what an operator does, and its parameters."""
    import degradations as operators

    load_plugins(plugins)
    description = operators.describe(name)
    speech.give(_described(description))
    if not speech.as_json:
        speech.say(f"{description.name}, for example {description.example}\n\n{for_people(description.text)}\n")
        for parameter in description.parameters:
            default = "required" if parameter.required else f"default {parameter.default}"
            speech.say(
                f"  {parameter.name}: {parameter.expected}{', ' + parameter.unit if parameter.unit else ''}, "
                f"{default}. {parameter.help}"
            )
        speech.say(
            f"{'linear' if description.linear else 'not linear'}, "
            f"{'smooth' if description.smooth else 'not smooth'}, defined in {description.source}"
        )


@degradations.command(
    epilog="""\b
Examples:
  dgp degradations preview photo.png -d sr:4 -o small.png
  dgp degradations preview photo.png -d inpaint:strokes=0.2 --seed 3 -o holed.png
  dgp degradations preview photo.png -d mine:0.5 --plugin mine.py -o mine.png"""
)
@click.argument("image", type=click.Path(path_type=Path), metavar="IMAGE")
@click.option(
    "-d",
    "--degradation",
    "spec",
    required=True,
    metavar="SPEC",
    shell_complete=complete.degradations,
    help="gray, sr:4, a chain such as gray+sr:2.",
)
@png_option("IMAGE-degraded.png")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, metavar="N", help="For random masks and noise.")
@plugin_option
@speech
def preview(image: Path, spec: str, output: Path | None, seed: int, plugins: tuple[str, ...], speech: Speech):
    """Degrade a clean picture at its own size, and write the result."""
    import degradations as operators
    from dgp.cli.outputs import png_file
    from dgp.cli.run import printable, with_plugins, writable_file
    from dgp.observation.figures import png_bytes
    from dgp.observation.images import flatten, open_picture, to_tensor
    from dgp.random_streams import random_stream
    from generators.progress import waiting

    loaded = load_plugins(plugins)
    operator = with_plugins(operators.parse(spec), loaded)
    picture = open_picture(image)
    x = to_tensor(flatten(picture)[0].convert("RGB"))
    operator = operator.build(picture.image, seed, tuple(x.shape[-2:]))
    operators.try_out(operator, tuple(x.shape[-2:]))
    output = png_file(output, f"{image.stem}-degraded.png")
    write = writable_file(output)
    with waiting("degrading the picture"):
        y = operator.simulate(x, random_stream(seed, f"noise {picture.pixels_sha256}", 0))
        degraded = operator.picture(y)
        write(png_bytes(degraded))
    speech.give(
        {
            "output": str(output),
            "size": list(degraded.size),
            "mode": degraded.mode,
            "seed": seed,
            "input": {"path": str(image), "sha256": picture.sha256},
            "degradation": {"spec": operator.spec, "asked": spec, "assets": operator.assets},
        }
    )
    speech.say(f"{printable(image)} -> {printable(output)}: {operator.spec}, {degraded.width}x{degraded.height}")


def for_people(text: str) -> str:
    """Return what an operator's docstring says, without its sentences on the shapes of tensors."""
    paragraphs = (SHAPES.sub("", paragraph).strip() for paragraph in text.split("\n\n"))
    return "\n\n".join(filter(None, paragraphs)) or text


def _described(description) -> dict:
    return {
        "name": description.name,
        "summary": description.summary,
        "example": description.example,
        "linear": description.linear,
        "smooth": description.smooth,
        "source": description.source,
        "parameters": [
            {
                "name": p.name,
                "expected": p.expected,
                "unit": p.unit,
                "required": p.required,
                "help": p.help,
                "default": p.default if isinstance(p.default, int | float | str | None) else str(p.default),
            }
            for p in description.parameters
        ],
    }
