"""Patches of a photograph, chosen so that the cost is the same for any size."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.files.pictures import from_picture, luma

SIDE = 64  # pixels
LATTICE = 16  # pixels: blocks of JPEG with chroma at half size begin at multiples
ROWS = 4  # cells down and across the picture; each gives its patch with the most detail and a calm one
MAX_CORNERS = 20  # down and across, from which patches are chosen
CLIPPED = 0.1  # largest share of black or white pixels, where there are enough other patches
CALM = 0.3  # quantile of the detail of a calm patch


def choose_patches(picture: Image.Image, hidden: np.ndarray | None = None) -> Tensor:
    """Return patches whose corners are at multiples of 16 pixels, spread over the picture.

    Each of 4 x 4 cells of the picture gives two: one with much detail, which shows blur, and one with little, which
    shows noise. Patches with clipped or hidden pixels are avoided.

    Args:
        picture: 8-bit L or RGB, at least 64 x 64.
        hidden: (H, W) bool, pixels that do not count, such as holes; None: there are none.

    Returns:
        (n, 1 or 3, 64, 64) in [-1, 1], n at most 32.
    """
    corners = [(top, left) for top in _starts(picture.height) for left in _starts(picture.width)]
    measured = [_measure(picture, corner, hidden) for corner in corners]
    detail, spoiled = (np.array(column) for column in zip(*measured, strict=True))
    cells: dict[tuple[int, int], list[int]] = {}
    for index, (top, left) in enumerate(corners):
        cell = tuple(ROWS * (at + SIDE // 2) // full for at, full in ((top, picture.height), (left, picture.width)))
        cells.setdefault(cell, []).append(index)
    good = spoiled <= max(CLIPPED, float(np.quantile(spoiled, 0.25)))
    chosen = []
    for members in cells.values():
        usable = sorted((i for i in members if good[i]), key=lambda i: detail[i])
        if usable:
            chosen += dict.fromkeys((usable[-1], usable[int(CALM * (len(usable) - 1))]))
    return torch.cat([_crop(picture, corners[index]) for index in chosen])


def _starts(length: int) -> list[int]:
    """Return where patches may begin along a side, at most `MAX_CORNERS` multiples of 16."""
    last = (length - SIDE) // LATTICE
    count = min(last + 1, MAX_CORNERS)
    return [LATTICE * int(at) for at in np.linspace(0, last, count).round()]


def _crop(picture: Image.Image, corner: tuple[int, int]) -> Tensor:
    top, left = corner
    return from_picture(picture.crop((left, top, left + SIDE, top + SIDE)))


def _measure(picture: Image.Image, corner: tuple[int, int], hidden: np.ndarray | None) -> tuple[float, float]:
    """Return the detail of a patch (mean difference of neighbours, 8 pixels apart and less) and its spoiled share."""
    top, left = corner
    levels = (luma(_crop(picture, corner))[0, 0].numpy() + 1) * 127.5
    coarse = levels.reshape(SIDE // 4, 4, SIDE // 4, 4).mean((1, 3))  # means of 4 x 4 pixels hardly show noise
    detail = np.abs(np.diff(coarse, axis=0)).mean() + np.abs(np.diff(coarse, axis=1)).mean()
    spoiled = float(((levels < 1.5) | (levels > 253.5)).mean())
    if hidden is not None:
        spoiled += float(hidden[top : top + SIDE, left : left + SIDE].mean())
    return float(detail), spoiled
