"""Pictures for viewing: enlarged, joined side by side, encoded as PNG and HTML."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont

SMALLEST, LARGEST = 256, 1024


def resize_for_screen(image: Image.Image, height: int | None = None) -> Image.Image:
    """Return a picture at a height that suits a screen; enlarged without interpolation, or scaled down by Lanczos.

    Args:
        image: any mode; transparent pixels are shown on grey.
        height: height of the result in pixels; None: the picture's own, enlarged by a whole factor to at least 256,
            or scaled down to 1024.
    """
    image = image.convert("RGB") if not image.has_transparency_data else _composite_on_grey(image)
    width, own = image.size
    if height is None:
        height = own * -(-SMALLEST // own) if own < SMALLEST else min(own, LARGEST)
    size = (max(1, min(round(width * height / own), 4 * LARGEST)), height)
    return image.resize(size, Image.Resampling.NEAREST if height >= own else Image.Resampling.LANCZOS)


def join_images(images: Sequence[Image.Image], gap: int = 8, height: int | None = None) -> Image.Image:
    """Return pictures side by side on white.

    Args:
        images: the pictures, from left to right.
        gap: pixels between them.
        height: height of all of them in pixels; None: the largest that `resize_for_screen` gives to one of them.
    """
    height = height or max(resize_for_screen(image).height for image in images)
    resized = [resize_for_screen(image, height) for image in images]
    sheet = Image.new("RGB", (sum(i.width for i in resized) + gap * (len(resized) - 1), height), "white")
    left = 0
    for image in resized:
        sheet.paste(image, (left, 0))
        left += image.width + gap
    return sheet


def join_with_captions(images: Mapping[str, Image.Image], gap: int = 8) -> Image.Image:
    """Return pictures side by side on white, all of one height, each under its name.

    Args:
        images: name -> picture, from left to right.
        gap: pixels between them.
    """
    height = max(resize_for_screen(image).height for image in images.values())
    font = ImageFont.load_default(max(16, height // 24))
    resized = {name: resize_for_screen(image, height) for name, image in images.items()}
    widths = [max(image.width, math.ceil(font.getlength(name))) for name, image in resized.items()]
    top = sum(font.getmetrics())
    sheet = Image.new("RGB", (sum(widths) + gap * (len(resized) - 1), top + height), "white")
    draw, left = ImageDraw.Draw(sheet), 0
    for (name, image), width in zip(resized.items(), widths, strict=True):
        draw.text((left + width / 2, 0), name, fill="black", font=font, anchor="ma")
        sheet.paste(image, (left + (width - image.width) // 2, top))
        left += width + gap
    return sheet


def magnify(image: Image.Image, factor: int) -> Image.Image:
    """Return a picture enlarged by a whole factor, without interpolation."""
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def encode_png(image: Image.Image, *, icc_profile: bytes | None = None) -> bytes:
    """Return a picture encoded as PNG, with a colour profile if one is given."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=icc_profile)
    return buffer.getvalue()


def figures_html(images: dict[str, Image.Image], caption: str) -> str:
    """Return HTML that shows pictures side by side above their names, and a caption below them, for notebooks."""
    cells = "".join(
        f'<figure style="display:inline-block;margin:0 8px 0 0"><img alt="{html.escape(name)}" '
        f'src="data:image/png;base64,'
        f'{base64.b64encode(encode_png(resize_for_screen(image))).decode()}" style="max-height:256px">'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for name, image in images.items()
    )
    return f"<div>{cells}<p>{html.escape(caption)}</p></div>"


def _composite_on_grey(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (128, 128, 128, 255)), image).convert("RGB")
