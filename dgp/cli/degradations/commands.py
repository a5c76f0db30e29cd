"""`dgp degradations`: list, inspect and preview operators."""

from __future__ import annotations

import re
from pathlib import Path

import click

from dgp.cli import complete
from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.degradations.authors import check, new
from dgp.cli.degradations.mask import mask
from dgp.cli.degradations.sheet import sheet
from dgp.cli.groups import Group
from dgp.cli.options import degradation_option, max_pixels_option, seed_option
from dgp.cli.outputs import png_option, png_writer, resolve_png_path
from dgp.cli.plugins import plugin_option
from dgp.runs.plugins import load_plugins, record_plugins

# Matches a sentence on tensors, such as "(N, 3, H, W) -> (N, 1, H, W)."
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
@console_options
def list_(plugins: tuple[str, ...], console: Console):
    """List all operators, each with a summary and the units of its parameters; px are pixels of the photograph."""
    import degradations as operators

    load_plugins(plugins)
    found = [operators.describe(name) for name in operators.names()]
    unusable = operators.broken()
    console.print_json(
        {
            "degradations": [_record(d) for d in found],
            "unusable": [{"name": name, "reason": reason} for name, reason in unusable.items()],
        }
    )
    for reason in unusable.values():
        console.note(reason)
    if not console.as_json:
        width = max(len(d.example) for d in found)
        for description in found:
            summary = drop_shapes(description.summary)
            console.print(f"{description.example:{width}}  {summary}{_list_units(description.parameters)}")


@degradations.command(
    epilog="""\b
Examples:
  dgp degradations info inpaint
  dgp degradations info sr --json"""
)
@click.argument("name", shell_complete=complete.operators)
@plugin_option
@console_options
def info(name: str, plugins: tuple[str, ...], console: Console):
    """Show what an operator does, and its parameters."""
    import degradations as operators

    load_plugins(plugins)
    description = operators.describe(name)
    console.print_json(_record(description))
    if not console.as_json:
        console.print(f"{description.name}, for example {description.example}\n\n{drop_shapes(description.text)}\n")
        for parameter in description.parameters:
            console.print(f"  {parameter.name}: {parameter.expected}, {parameter.default_in_words}. {parameter.help}")
        console.print(
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
@degradation_option("The degradation: gray, sr:4, a chain such as gray+sr:2.")
@png_option("IMAGE-degraded.png")
@seed_option("Seed of random masks and noise.")
@plugin_option
@max_pixels_option
@console_options
def preview(
    image: Path,
    spec: str,
    output: Path | None,
    seed: int,
    plugins: tuple[str, ...],
    max_pixels: int,
    console: Console,
):
    """Degrade a clean picture at its own size, and write the result as PNG."""
    import degradations as operators
    from dgp.observation.figures import encode_png
    from dgp.observation.images import flatten, open_picture, to_tensor
    from dgp.random_streams import random_stream
    from generators.progress import waiting

    loaded = load_plugins(plugins)
    operator = record_plugins(operators.parse(spec), loaded)
    picture = open_picture(image, max_pixels)
    x = to_tensor(flatten(picture)[0].convert("RGB"))
    operator = operator.build(picture.image, seed, tuple(x.shape[-2:]))
    operators.try_out(operator, tuple(x.shape[-2:]))
    output = resolve_png_path(output, f"{image.stem}-degraded.png")
    write = png_writer(output)
    with waiting("degrading the picture"):
        y = operator.simulate(x, random_stream(seed, f"noise {picture.pixels_sha256}", 0))
        degraded = operator.picture(y)
        write(encode_png(degraded))
    console.print_json(
        {
            "output": str(output),
            "size": list(degraded.size),
            "mode": degraded.mode,
            "seed": seed,
            "input": {"path": str(image), "sha256": picture.sha256},
            "degradation": {"spec": operator.spec, "asked": spec, "assets": operator.assets},
        }
    )
    console.print(
        f"{printable_text(image)} -> {printable_text(output)}: {operator.spec}, {degraded.width}x{degraded.height}"
    )


def _list_units(parameters) -> str:
    """Return " [px: right, down; degrees: angle]", the parameters with each unit; "" if none has any."""
    named = {}
    for parameter in parameters:
        if parameter.unit:
            unit = f"share {parameter.unit}" if parameter.unit.startswith("of ") else parameter.unit
            named.setdefault(unit, []).append(parameter.name)
    listed = "; ".join(f"{unit}: {', '.join(names)}" for unit, names in named.items())
    return f" [{listed}]" if named else ""


def drop_shapes(text: str) -> str:
    """Return the text of an operator's docstring without sentences on the shapes of tensors."""
    paragraphs = (SHAPES.sub("", paragraph).strip() for paragraph in text.split("\n\n"))
    return "\n\n".join(filter(None, paragraphs)) or text


def _record(description) -> dict:
    """Return the JSON record of an operator."""
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
