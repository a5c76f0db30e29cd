"""How an operator is shown in a notebook: its spec, its parameters, and its effect on a small picture."""

from __future__ import annotations

import base64
import html
import inspect
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from degradations.errors import DegradationError
from degradations.files.pictures import Size, lay_on_gray, to_picture

SIDE, SHOWN = 64, 192  # pixels of the test picture, and of the picture on the screen


def make_test_picture(size: Size) -> Tensor:
    """Make a picture in which each loss is visible: all hues, a white disc, a black frame and fine stripes.

    Args:
        size: (H, W).

    Returns:
        (1, 3, H, W) float32 in [-1, 1].
    """
    down, across = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in size), indexing="ij")
    turns = torch.tensor([0.0, 1 / 3, 2 / 3])[:, None, None]
    x = torch.cos(torch.pi * (across + 2 * turns)) * (0.8 - 0.4 * down)
    x = torch.where((down > 0.4) & (across < 0), torch.cos(40 * (down + across)), x)
    x = torch.where((down + 0.3) ** 2 + (across - 0.3) ** 2 < 0.1, 1.0, x)
    return torch.where(torch.maximum(down.abs(), across.abs()) > 0.94, -1.0, x).clamp(-1, 1)[None]


def draw_before_and_after(operator: nn.Module) -> tuple[Image.Image, Image.Image]:
    """Return the test picture, and the picture that a file of its observation would hold.

    Args:
        operator: a ``Degradation``. If it has a mask, the pictures have its size.

    Raises:
        DegradationError: the operator refuses such a picture, or needs one of its own.
    """
    tensors = [t for t in operator.buffers() if t.ndim == 4]
    size = tuple(tensors[0].shape[-2:]) if tensors else (SIDE, SIDE)
    like = next((t for t in operator.state_dict().values() if t.is_floating_point()), torch.zeros(()))
    rows = max(map(len, operator.bound_values().values()), default=1)
    x = make_test_picture(size).to(like).expand(max([rows, *map(len, tensors)]), -1, -1, -1)
    built = operator.build(None, 0, size)
    y = built.simulate(x, [torch.Generator().manual_seed(i) for i in range(len(x))])
    return to_picture(x), built.picture(y)


def enlarge(picture: Image.Image) -> Image.Image:
    """Enlarge a picture pixel for pixel to a readable size, with transparent pixels on grey."""
    times = max(1, round(SHOWN / picture.height))
    return lay_on_gray(picture).resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def render_png(operator: nn.Module) -> bytes | None:
    """Return both pictures side by side as PNG; None if the operator cannot be shown on the test picture."""
    try:
        shown = [np.asarray(enlarge(picture)) for picture in draw_before_and_after(operator)]
    except DegradationError:
        return None
    height = max(len(one) for one in shown)
    shown = [np.pad(one, ((0, height - len(one)), (0, 8), (0, 0)), constant_values=255) for one in shown]
    return _encode_png(Image.fromarray(np.concatenate(shown, 1)[:, :-8]))


def render_html(operator: nn.Module) -> str:
    """Return HTML: the spec, the summary, the parameters, and the pictures or the reason why there are none."""
    bound = operator.bound_values()
    title = f"{operator._title()}, bound to rows: {', '.join(bound)}" if bound else operator.spec
    links = operator.operators()
    parts = [f"<p><code>{html.escape(title)}</code></p>"]
    for link in links:
        name = f"<code>{html.escape(link._title())}</code>: " if len(links) > 1 else ""
        parts.append(f"<p>{name}{html.escape(_summary(link))}</p>{_table(link)}")
    try:
        figures = zip(("before", "after"), map(enlarge, draw_before_and_after(operator)), strict=True)
        parts += [_figure(name, picture) for name, picture in figures]
    except DegradationError as refusal:
        parts.append(f"<p>Not shown on a picture: {html.escape(str(refusal))}</p>")
    return f"<div>{''.join(parts)}</div>"


def _summary(operator: nn.Module) -> str:
    return inspect.cleandoc(type(operator).__doc__ or "No description.").splitlines()[0]


def _table(operator: nn.Module) -> str:
    if not operator.parameters_spec:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("parameter", "value", "expected", ""))
    lines = []
    for parameter in operator.parameters_spec:
        value = getattr(operator, parameter.name)
        if isinstance(value, Tensor):
            value = ", ".join(f"{one:g}" for one in value.flatten().tolist())
        elif value is not None:
            value = parameter.write(value)
        cells = (parameter.name, "" if value is None else value, parameter.expected, parameter.help)
        lines.append("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in cells) + "</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _figure(name: str, picture: Image.Image) -> str:
    data = base64.b64encode(_encode_png(picture)).decode()
    return (
        f'<figure style="display:inline-block;margin:0 8px 0 0"><img alt="{name}" '
        f'src="data:image/png;base64,{data}"><figcaption>{name}</figcaption></figure>'
    )


def _encode_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
