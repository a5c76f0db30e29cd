"""Conversion between pictures (8 and 16 bits, grey, colour, alpha) and tensors in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.constants import constant
from degradations.errors import DegradationError, SizeError

Size = tuple[int, int]  # (H, W)
LUMA = {"rec601": (0.299, 0.587, 0.114), "dgp": (0.2989, 0.5870, 0.1140)}


def expect_pictures(x: Tensor) -> Tensor:
    """Return x if it is a batch of pictures.

    Args:
        x: expected to be (N, C, H, W) float.

    Raises:
        SizeError: another shape or dtype.
    """
    if x.ndim != 4 or not x.is_floating_point():
        raise SizeError(
            f"got a {str(x.dtype)[6:]} tensor of shape {tuple(x.shape)}; expected floats (N, C, H, W) in [-1, 1]"
        )
    return x


def luma(x: Tensor, weights: tuple[float, float, float] = LUMA["rec601"]) -> Tensor:
    """Convert RGB to luma as a weighted sum of the channels.

    Args:
        x: (N, 3, H, W), or (N, 1, H, W), which counts as three equal channels.
        weights: of red, green and blue; default: Rec. 601.

    Returns:
        (N, 1, H, W), same dtype.

    Raises:
        SizeError: other than 1 or 3 channels.
    """
    if x.shape[1] == 1:
        return x * sum(weights)
    if x.shape[1] != 3:
        raise SizeError(f"got {x.shape[1]} channels; expected 3, or 1 that is grey already")
    return (x * constant(tuple(weights), x)[:, None, None]).sum(1, keepdim=True)


def round_to_8_bits(y: Tensor) -> Tensor:
    """Round y in [-1, 1] to the nearest of the 256 levels of an 8-bit file, still in [-1, 1]."""
    return convert_to_levels(y).to(y.dtype) / 127.5 - 1


def convert_to_levels(y: Tensor) -> Tensor:
    """Convert y in [-1, 1] to whole 8-bit levels from 0 to 255, as floats."""
    return ((y + 1) * 127.5).round().clamp(0, 255)


def has_alpha(picture: Image.Image) -> bool:
    """Return whether a picture has an alpha channel or a transparent colour."""
    return "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info


def alpha(picture: Image.Image) -> np.ndarray:
    """Return the alpha channel of a picture that has one: (H, W) uint8, 0 = transparent."""
    return np.asarray(picture.convert("RGBA").getchannel("A"))


def lay_on_gray(picture: Image.Image) -> Image.Image:
    """Convert a picture of any mode to RGB, with transparent pixels on mid-grey."""
    if has_alpha(picture):
        ground = Image.new("RGBA", picture.size, (128, 128, 128, 255))
        picture = Image.alpha_composite(ground, picture.convert("RGBA"))
    return picture.convert("RGB")


def from_picture(picture: Image.Image, matte: bool = True) -> Tensor:
    """Convert an opened picture of any mode to a tensor.

    Args:
        picture: 8 bits, or 16 bits in Pillow's integer modes.
        matte: lay transparent pictures on white; otherwise keep the stored colours, whatever their alpha.

    Returns:
        (1, 1 or 3, H, W) float32 in [-1, 1].

    Raises:
        DegradationError: a picture of mode F, whose range is unknown.
    """
    mode = picture.mode
    if mode == "F":
        raise DegradationError("a picture of mode F has no known range; convert it to 8 or 16 bits first")
    if mode.startswith("I"):
        values, top = np.asarray(picture).astype(np.float32)[..., None], 65535.0
    else:
        gray = mode in ("1", "L", "LA", "La")
        if has_alpha(picture):
            straight = picture.convert("RGBA")
            if matte:
                white = Image.new("RGBA", picture.size, "white")
                straight = Image.alpha_composite(white, straight)
            picture = straight.convert("RGB")
            values = np.asarray(picture)[..., :1] if gray else np.asarray(picture)
        else:
            values = np.asarray(picture.convert("L" if gray else "RGB"))
            values = values[..., None] if gray else values
        top = 255.0
    tensor = torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), np.float32))[None]
    return tensor / (top / 2) - 1


def to_picture(y: Tensor, hidden: Tensor | None = None) -> Image.Image:
    """Convert the first row of y to an 8-bit picture of mode L or RGB.

    Args:
        y: (N, c, h, w) or (c, h, w) in [-1, 1], with 1 or 3 channels.
        hidden: (h, w) bool; if given, the picture has an alpha channel that is 0 there.

    Raises:
        SizeError: other than 1 or 3 channels.
    """
    row = y if y.ndim == 3 else expect_pictures(y)[0]
    if row.shape[0] not in (1, 3):
        raise SizeError(f"got {row.shape[0]} channels; a picture file has 1 or 3")
    values = convert_to_levels(row.detach().cpu()).to(torch.uint8).permute(1, 2, 0).numpy()
    picture = Image.fromarray(values[..., 0] if row.shape[0] == 1 else np.ascontiguousarray(values))
    if hidden is not None:
        picture.putalpha(Image.fromarray(np.where(hidden.cpu().numpy(), 0, 255).astype(np.uint8)))
    return picture
