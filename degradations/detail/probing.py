"""How far an operator spreads a pixel, and whether parts are treated as the whole is, found by trial."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SIDE = 67  # not a multiple of any usual factor
ALIGNMENTS = (1, 2, 4, 8, 16)
SAME = 1e-5

Map = Callable[[Tensor], Tensor]


def _draw_picture() -> Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def _try(forward: Map, x: Tensor) -> Tensor | None:
    """Return y of the size of x, or None: the operator has another size or does not accept this one."""
    try:
        with torch.no_grad():
            y = forward(x)
    except Exception:  # noqa: BLE001  third-party code may refuse a size in any way
        return None
    return y if y.shape[-2:] == x.shape[-2:] else None


def probe_reach(forward: Map) -> int | None:
    """Return how far from a pixel of x those pixels of y are that depend on it.

    Args:
        forward: phi, on (1, 3, H, W).

    Returns:
        The greatest distance along rows or columns, for three pixels of a random picture; None: up to its border, or y
        has another size than x.
    """
    x, farthest = _draw_picture(), 0
    y = _try(forward, x)
    if y is None:
        return None
    for row, column in ((32, 32), (27, 38), (39, 25)):
        changed = x.clone()
        changed[..., row, column] = -x[..., row, column].sign()
        moved = _try(forward, changed)
        places = ((moved - y).abs().amax((0, 1)) > SAME).nonzero()
        if len(places) and (int(places.min()) == 0 or int(places.max()) == SIDE - 1):
            return None
        if len(places):
            farthest = max(farthest, int((places - places.new_tensor([row, column])).abs().max()))
    return farthest


def probe_alignment(forward: Map, reach: int | None) -> int | None:
    """Return the multiple at which parts must begin so that phi treats them as it treats the whole.

    Args:
        forward: phi, on (1, 3, H, W).
        reach: as ``probe_reach`` returns it.

    Returns:
        1, 2, 4, 8 or 16, or None: none of them, as the effect depends on the place or on the size.
    """
    x = _draw_picture()
    whole = _try(forward, x)
    if whole is None or reach is None:
        return None
    for alignment in ALIGNMENTS:
        if all(_is_same(forward, x, whole, begin, reach) for begin in (alignment, 16 + alignment)):
            return alignment
    return None


def _is_same(forward: Map, x: Tensor, whole: Tensor, begin: int, reach: int) -> bool:
    """Return whether the part from ``begin`` to the border gives the same y, ``reach`` pixels inside it."""
    part = _try(forward, x[..., begin:, begin:])
    inside = begin + reach
    if part is None or inside >= SIDE:
        return False
    return float((part[..., reach:, reach:] - whole[..., inside:, inside:]).abs().max()) < SAME
