"""Boxes of candidates, (n, 4) float32: left, top, right, bottom in pixels, whose centres are whole numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def correct(boxes: Tensor, offsets: Tensor) -> Tensor:
    """Return boxes moved by offsets (n, 4), which are fractions of their width and height."""
    extent = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * extent.repeat(1, 2)


def make_square(boxes: Tensor) -> Tensor:
    """Return squares of the longer side around the same centres."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], 1)


def suppress(boxes: Tensor, scores: Tensor, overlap: float, *, of_smaller: bool = False) -> Tensor:
    """Return indices of boxes of which none overlaps a better one by more than a share; the best first.

    Args:
        boxes: (n, 4).
        scores: (n,).
        overlap: the share.
        of_smaller: of the smaller box's area instead of the area of both together.
    """
    area = (boxes[:, 2:] - boxes[:, :2] + 1).clamp_min(0).prod(1)
    order, kept = scores.argsort(descending=True, stable=True), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (high - low + 1).clamp_min(0).prod(1)
        whole = torch.minimum(area[best], area[rest]) if of_smaller else area[best] + area[rest] - common
        order = rest[common <= overlap * whole]
    return torch.stack(kept) if kept else order
