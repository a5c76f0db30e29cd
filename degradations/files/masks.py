"""Mask files as paint programs, browsers and scripts write them: what is painted is missing.

In a file without transparency white marks missing pixels. In a layer with transparency the strokes mark them: if all
strokes have about the same tone, whatever is opaque is missing; if there are light and dark ones, the layer is laid
over black, and what is light is missing. A photograph with parts erased, which is no painted mask, is missing where it
is transparent.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.errors import MaskError
from degradations.files.decoding import (
    FORMATS,
    MAX_PIXELS,
    TooLarge,
    UnreadablePicture,
    load,
    most_bytes,
    open_header,
    read_orientation,
    turn_upright,
)
from degradations.files.pictures import alpha, from_picture, has_alpha, luma
from degradations.files.regular import read_regular

EXPECTED = "expected a picture, white where pixels are missing"
OPAQUE = 250  # alpha from which a pixel counts as opaque, allowing for rounding and lossy compression
ONE_TONE = 0.25  # largest spread of the strokes' brightness (0 to 1) that counts as one tone
COLOURS, MOST = (
    16,
    0.8,
)  # in a painted layer, the 16 commonest colours cover 80 % of the strokes; far less in photographs


@dataclass(frozen=True)
class MaskFile:
    """A mask that was read from a file.

    Attributes:
        missing: (1, 1, H, W) bool, true where pixels are missing.
        asset: {"sha256", "path"} of the file.
        remark: how the file was interpreted, in words.
    """

    missing: Tensor
    asset: dict
    remark: str


def read_mask(path: str, size: tuple[int, int] | None, invert: bool = False) -> MaskFile:
    """Read which pixels a mask file marks as missing.

    Args:
        path: the file.
        size: (H, W) that it must have, or None.
        invert: exchange missing and present pixels.

    Raises:
        MaskError: not a picture, of another size, or a mask in which nothing or everything is missing.
    """
    try:
        content = read_regular(path, most_bytes(max(MAX_PIXELS, math.prod(size or ()))))
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise MaskError(f"mask file {path}: {reason}; {EXPECTED}") from None
    if not content:
        raise MaskError(f"mask file {path} is empty; {EXPECTED}")
    missing, how = interpret_mask(_decode(path, content, size))
    if missing.all() or not missing.any():
        named, left = ("everything", "nothing of the picture") if missing.all() else ("nothing", "nothing missing")
        raise MaskError(
            f"mask file {path} says that {named} is missing ({how}), which leaves {left}; paint only what is missing, "
            "white on black or on a transparent layer"
        )
    if invert:
        missing, how = ~missing, f"{how}, inverted"
    share = 100 * float(missing.mean())
    shown = f"{share:.0f}" if 1 <= share <= 99 else f"{share:.2f}"
    remark = f"{Path(path).name}: {shown} % of the pixels are missing ({how})"
    asset = {"sha256": hashlib.sha256(content).hexdigest(), "path": str(path)}
    return MaskFile(torch.from_numpy(missing)[None, None], asset, remark)


def interpret_mask(picture: Image.Image) -> tuple[np.ndarray, str]:
    """Decide which pixels of an opened mask are missing.

    Returns:
        (H, W) bool, true where pixels are missing, and in words what was taken as missing.
    """
    if has_alpha(picture) and not picture.mode.startswith("I"):
        opacity = alpha(picture)
        if opacity.min() < OPAQUE:  # otherwise no pixel is transparent
            return _interpret_layer(picture, opacity)
    values = np.asarray(picture)
    levels = np.unique(values) if picture.mode == "L" or picture.mode.startswith("I") else ()
    if len(levels) == 2 and levels[0] == 0 and levels[1] in (1, 255):  # masks of 0 and 255, or of 0 and 1, at any depth
        return values > 0, "white" if levels[1] == 255 and picture.mode == "L" else f"the value {levels[1]}"
    return _find_light(picture), "white"


def _find_light(picture: Image.Image) -> np.ndarray:
    return (luma(from_picture(picture, matte=False))[0, 0] >= 0).numpy()


def _interpret_layer(picture: Image.Image, opacity: np.ndarray) -> tuple[np.ndarray, str]:
    """Interpret a layer that is transparent somewhere.

    Args:
        picture: the layer.
        opacity: its alpha channel, (H, W) uint8.
    """
    painted = opacity >= max(1, int(opacity.max()) / 2)
    if not painted.any():
        return painted, "nothing is painted on a transparent layer"
    straight = picture.convert("RGBA")
    colours = np.asarray(straight.convert("RGB"))[painted]
    if not _has_few_colours(colours):
        return opacity < 128, "the transparent parts of a picture"
    tones = colours @ np.array([0.299, 0.587, 0.114]) / 255
    if np.ptp(np.quantile(tones, (0.02, 0.98))) > ONE_TONE:
        black = Image.new("RGBA", picture.size, "black")
        light = _find_light(Image.alpha_composite(black, straight).convert("RGB"))
        if light.any():
            return light, "light strokes on a transparent layer"
    return painted, "painted strokes on a transparent layer"


def _has_few_colours(colours: np.ndarray) -> bool:
    """Return whether a few of the colours (N, 3) uint8 make up most of them, as in something painted."""
    counts = np.unique(colours.astype(np.int32) @ np.array([2**16, 2**8, 1]), return_counts=True)[1]
    return np.sort(counts)[-COLOURS:].sum() >= MOST * len(colours)


def _decode(path: str, content: bytes, size: tuple[int, int] | None) -> Image.Image:
    """Decode the picture of a file and turn it upright. A mask of a given size is not limited otherwise."""
    most = MAX_PIXELS if size is None else max(MAX_PIXELS, size[0] * size[1])
    try:
        opened = open_header(content, most)
    except TooLarge as error:
        raise MaskError(f"mask file {path}: {error}; scale it down first") from None
    except UnreadablePicture as error:
        raise MaskError(
            f"mask file {path} cannot be read as a picture ({error}); expected one of {', '.join(FORMATS)}"
        ) from error
    try:
        _check_size(path, opened, size)
        load(opened, content)
        picture = turn_upright(opened)
    except UnreadablePicture as error:
        raise MaskError(f"mask file {path} is damaged or cut short ({error}); get the file again") from error
    if picture.mode == "F":
        raise MaskError(f"mask file {path} is floating point, whose white is not known; save it as 8-bit PNG")
    return picture


def _check_size(path: str, opened: Image.Image, size: tuple[int, int] | None) -> None:
    """Check the size in the header, before the file is decoded."""
    turned = read_orientation(opened) in (5, 6, 7, 8)
    own = opened.size if turned else opened.size[::-1]
    if size is not None and tuple(own) != tuple(size):
        raise MaskError(
            f"mask file {path} is {own[1]}x{own[0]} and the picture {size[1]}x{size[0]} (width x height); "
            "give a mask of the picture's size"
        )
