"""Masks: (1 or N, 1, H, W) bool tensors, true where the picture is missing."""

from __future__ import annotations

import hashlib
import io
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from degradations.errors import MaskError
from degradations.pictures import FORMATS, MAX_PIXELS, alpha, from_picture, has_alpha, luma


def checked(mask: Tensor, what: str) -> Tensor:
    """The mask itself, unless a row of it misses nothing or everything (MaskError)."""
    missing = mask.flatten(1).sum(1)
    if bool((missing == 0).any()):
        raise MaskError(f"{what} leaves nothing missing; paint what is missing white, or make it transparent")
    if bool((missing == mask[0].numel()).any()):
        raise MaskError(f"{what} leaves nothing of the picture; white or transparent means missing, so invert it?")
    return mask


def centred(fraction: Fraction, size: tuple[int, int]) -> Tensor:
    """A hole of a fraction f of each side: from (n - floor(f n)) // 2 to n minus that."""
    mask = torch.zeros(1, 1, *size, dtype=torch.bool)
    (top, bottom), (left, right) = (((n - int(fraction * n)) // 2, n - (n - int(fraction * n)) // 2) for n in size)
    mask[..., top:bottom, left:right] = True
    return mask


def scattered(fraction: float, size: tuple[int, int], seed: int) -> Tensor:
    """Single missing pixels, ``round(fraction H W)`` of them (at least one, never all), drawn with PCG64."""
    n = size[0] * size[1]
    count = min(max(round(fraction * n), 1), n - 1)
    mask = torch.zeros(n, dtype=torch.bool)
    mask[torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).permutation(n)[:count])] = True
    return mask.view(1, 1, *size)


def strokes(coverage: float, size: tuple[int, int], seed: int) -> Tensor:
    """Free-form strokes: round brushes that wander until at least ``coverage`` of the picture is missing."""
    random = np.random.Generator(np.random.PCG64(seed))
    h, w = size
    rows, columns = np.mgrid[:h, :w] + 0.5
    mask = np.zeros((h, w), bool)
    while True:
        y, x = random.uniform(0, h), random.uniform(0, w)
        angle = random.uniform(0, 2 * np.pi)
        radius = max(random.uniform(0.02, 0.06) * min(h, w), 0.75)
        for _ in range(int(random.integers(4, 24))):
            mask |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
            if mask.mean() >= coverage:
                return torch.from_numpy(mask)[None, None]
            angle += random.normal(0, 0.5)
            y = float(np.clip(y + radius * np.sin(angle), 0, h))
            x = float(np.clip(x + radius * np.cos(angle), 0, w))


def from_alpha(picture: Image.Image) -> Tensor:
    """The transparent pixels (alpha below 128) of a picture."""
    if not has_alpha(picture):
        raise MaskError(
            f"mask=alpha needs a picture with transparency, got mode {picture.mode}; save it with an alpha "
            "channel, or give mask=FILE"
        )
    return torch.from_numpy(alpha(picture) < 128)[None, None]


def found(picture: Image.Image) -> Tensor:
    """The damage that is found in a picture. MaskError: there is none."""
    from degradations.scratches import find_damage

    mask = find_damage(picture)
    if not bool(mask.any()):
        raise MaskError("mask=auto finds no scratches, creases, dust or holes in the picture; give mask=FILE")
    return mask


def from_file(path: str, size: tuple[int, int] | None) -> tuple[Tensor, dict]:
    """A mask file -> (mask, {"sha256", "path"}). White or transparent means missing.

    In a file with transparency that shows shades other than black and white (an erased photograph, not a
    drawn mask) only transparency counts.

    Args:
        size: (H, W) that it must have, or None.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise MaskError(f"mask file {path}: {reason}; expected a picture, white where pixels are missing") from None
    if not content:
        raise MaskError(f"mask file {path} is empty; expected a picture, white where pixels are missing")
    picture = _decoded(path, content, size)
    bright = luma(from_picture(picture, matte=False)) >= 0
    mask = bright
    if has_alpha(picture):
        gone = from_alpha(picture)
        levels = luma(from_picture(picture, matte=False))[~gone]
        drawn = bool((levels.abs() > 0.9).all())
        mask = (bright | gone) if drawn or not bool(gone.any()) else gone
    return checked(mask, f"mask file {path}"), {
        "sha256": hashlib.sha256(content).hexdigest(),
        "path": str(path),
    }


def _decoded(path: str, content: bytes, size: tuple[int, int] | None) -> Image.Image:
    """The picture in a file, upright. What Pillow warns of is either refused here or of no account."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            opened = Image.open(io.BytesIO(content), formats=FORMATS)
        except Exception as error:  # decoders raise nearly anything on what is not theirs
            large = isinstance(error, Image.DecompressionBombError)
            raise MaskError(
                f"mask file {path} has more than {MAX_PIXELS} pixels; scale it down first"
                if large
                else f"mask file {path} cannot be read as a picture; expected one of {', '.join(FORMATS)}"
            ) from error
        try:
            _compare(path, opened, size)
            picture = ImageOps.exif_transpose(opened)
            picture.load()
        except MaskError:
            raise
        except Exception as error:  # and on what is damaged
            reason = str(error).split("\n")[0] or type(error).__name__
            raise MaskError(f"mask file {path} is damaged or cut short ({reason}); get the file again") from error
    if picture.mode == "F":
        raise MaskError(f"mask file {path} is floating point, whose white is not known; save it as 8-bit PNG")
    return picture


def _compare(path: str, opened: Image.Image, size: tuple[int, int] | None) -> None:
    """Before the file is decoded, which is cheap to refuse."""
    if opened.width * opened.height > MAX_PIXELS:
        raise MaskError(
            f"mask file {path} is {opened.width}x{opened.height}, expected at most {MAX_PIXELS / 1e6:.0f} million "
            "pixels; scale it down first"
        )
    turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    own = opened.size if turned else opened.size[::-1]
    if size is not None and tuple(own) != tuple(size):
        raise MaskError(
            f"mask file {path} is {own[1]}x{own[0]} and the picture {size[1]}x{size[0]} (width x height); "
            "give a mask of the picture's size"
        )


def digest(mask: Tensor) -> str:
    """sha256 of a mask's shape and pixels."""
    bits = np.packbits(mask.cpu().numpy())
    return hashlib.sha256(f"{tuple(mask.shape)}".encode() + bits.tobytes()).hexdigest()
