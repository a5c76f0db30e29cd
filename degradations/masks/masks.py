"""Masks: (1 or N, 1, H, W) bool tensors, true where the picture is missing."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.errors import MaskError
from degradations.files.pictures import alpha, has_alpha


def check_mask(mask: Tensor, what: str) -> Tensor:
    """Return the mask if every row misses some pixels and keeps some.

    Args:
        mask: (1 or N, 1, H, W) bool.
        what: the name of the mask in error messages.

    Raises:
        MaskError: nothing or everything is missing.
    """
    missing = mask.flatten(1).sum(1)
    if bool((missing == 0).any()):
        raise MaskError(f"{what} leaves nothing missing; mark what is missing")
    if bool((missing == mask[0].numel()).any()):
        raise MaskError(f"{what} leaves nothing of the picture; mark only what is missing")
    return mask


def make_centred_hole(fraction: Fraction, size: tuple[int, int]) -> Tensor:
    """Return a centred hole that covers a fraction f of each side.

    On n pixels it begins at (n - floor(f n)) // 2 and ends at n minus that.

    Args:
        fraction: f.
        size: (H, W).
    """
    mask = torch.zeros(1, 1, *size, dtype=torch.bool)
    (top, bottom), (left, right) = (((n - int(fraction * n)) // 2, n - (n - int(fraction * n)) // 2) for n in size)
    mask[..., top:bottom, left:right] = True
    return mask


def scatter_pixels(fraction: float, size: tuple[int, int], seed: int) -> Tensor:
    """Draw single missing pixels, ``round(fraction H W)`` of them (at least one, never all), with PCG64."""
    n = size[0] * size[1]
    count = min(max(round(fraction * n), 1), n - 1)
    mask = torch.zeros(n, dtype=torch.bool)
    mask[torch.from_numpy(np.random.Generator(np.random.PCG64(seed)).permutation(n)[:count])] = True
    return mask.view(1, 1, *size)


def draw_strokes(coverage: float, size: tuple[int, int], seed: int) -> Tensor:
    """Draw round brush strokes that wander until at least ``coverage`` of the picture is missing, with PCG64."""
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


def read_alpha(picture: Image.Image) -> Tensor:
    """Return the transparent pixels (alpha below 128) of a picture.

    Raises:
        MaskError: it has no alpha channel.
    """
    if not has_alpha(picture):
        raise MaskError(
            f"mask=alpha needs a picture with transparency, got mode {picture.mode}; save it with an alpha "
            "channel, or give mask=FILE"
        )
    return torch.from_numpy(alpha(picture) < 128)[None, None]


def detect_damage(picture: Image.Image) -> Tensor:
    """Return the damage that ``find_damage`` finds in a picture.

    Raises:
        MaskError: it finds none.
    """
    from degradations.masks.scratches import find_damage

    mask = find_damage(picture)
    if not bool(mask.any()):
        raise MaskError("mask=auto finds no scratches, creases, dust or holes in the picture; give mask=FILE")
    return mask


def compute_sha256(mask: Tensor) -> str:
    """Return the sha256 of a mask's shape and pixels."""
    bits = np.packbits(mask.cpu().numpy())
    return hashlib.sha256(f"{tuple(mask.shape)}".encode() + bits.tobytes()).hexdigest()
