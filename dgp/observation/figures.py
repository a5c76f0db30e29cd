"""Pictures for looking at: small ones enlarged, several side by side, PNG bytes for notebooks."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

SMALLEST, LARGEST = 256, 1024


def viewable(image: Image.Image, height: int | None = None) -> Image.Image:
    """The picture at a height that screens show: enlarged by whole factors, pixel for pixel, or scaled down.

    height: the height to meet exactly; default: the picture's own, brought into [256, 1024].
    """
    image = image.convert("RGB") if not image.has_transparency_data else _on_grey(image)
    width, own = image.size
    if height is None:
        height = own * -(-SMALLEST // own) if own < SMALLEST else min(own, LARGEST)
    size = (max(1, min(round(width * height / own), 4 * LARGEST)), height)
    return image.resize(size, Image.Resampling.NEAREST if height >= own else Image.Resampling.LANCZOS)


def side_by_side(images: Sequence[Image.Image], gap: int = 8, height: int | None = None) -> Image.Image:
    """In a row on white, all of that height; default: as high as the highest is shown."""
    height = height or max(viewable(image).height for image in images)
    shown = [viewable(image, height) for image in images]
    sheet = Image.new("RGB", (sum(i.width for i in shown) + gap * (len(shown) - 1), height), "white")
    left = 0
    for image in shown:
        sheet.paste(image, (left, 0))
        left += image.width + gap
    return sheet


def captioned(images: Mapping[str, Image.Image], gap: int = 8) -> Image.Image:
    """In a row on white under their names, all as high as the highest is shown, with room for every name."""
    height = max(viewable(image).height for image in images.values())
    font = ImageFont.load_default(max(16, height // 24))
    shown = {name: viewable(image, height) for name, image in images.items()}
    widths = [max(image.width, math.ceil(font.getlength(name))) for name, image in shown.items()]
    top = sum(font.getmetrics())
    sheet = Image.new("RGB", (sum(widths) + gap * (len(shown) - 1), top + height), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for (name, image), width in zip(shown.items(), widths, strict=True):
        draw.text((left + width / 2, 0), name, fill="black", font=font, anchor="ma")
        sheet.paste(image, (left + (width - image.width) // 2, top))
        left += width + gap
    return sheet


def magnified(image: Image.Image, factor: int) -> Image.Image:
    """Enlarged by a whole factor, pixel for pixel."""
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def png_bytes(image: Image.Image, *, icc_profile: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=icc_profile)
    return buffer.getvalue()


def figures(images: dict[str, Image.Image], caption: str) -> str:
    """HTML for a notebook: the pictures with their names, and a line below."""
    cells = "".join(
        f'<figure style="display:inline-block;margin:0 8px 0 0"><img alt="{html.escape(name)}" '
        f'src="data:image/png;base64,'
        f'{base64.b64encode(png_bytes(viewable(image))).decode()}" style="max-height:256px">'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for name, image in images.items()
    )
    return f"<div>{cells}<p>{html.escape(caption)}</p></div>"


def _on_grey(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (128, 128, 128, 255)), image).convert("RGB")
