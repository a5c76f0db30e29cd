"""Differentiable augmentation of real and generated pictures alike (Zhao et al. 2020): colour, translation, cutout."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT, HOLE = 1 / 8, 1 / 2  # of the side, at strength 1


def draw(n: int, side: int, strength: float, random: torch.Generator) -> dict[str, Tensor]:
    """Draw on the CPU what ``augment`` needs for n rows.

    Returns:
        "colour" (3, n, 1, 1, 1) in [0, 1), "shift" and "hole" (2, n, 1) in pixels; {} at strength 0.
    """
    if not strength:
        return {}
    most, hole = round(side * SHIFT * strength), round(side * HOLE * strength)
    return {
        "colour": torch.rand(3, n, 1, 1, 1, generator=random),
        "shift": torch.randint(-most, most + 1, (2, n, 1), generator=random),
        "hole": torch.randint(side + 1 - hole % 2, (2, n, 1), generator=random),
    }


def augment(x: Tensor, strength: float, drawn: dict[str, Tensor]) -> Tensor:
    """Augment each row of x (N, 3, R, R) in [-1, 1] differently.

    Args:
        x: pictures.
        strength: 1 as published, 0 for none.
        drawn: of ``draw`` for N rows, on the device of x.
    """
    if not strength:
        return x
    brightness, saturation, contrast = drawn["colour"][0] - 0.5, 2 * drawn["colour"][1], drawn["colour"][2] + 0.5
    x = x + strength * brightness
    x = torch.lerp(x.mean(1, keepdim=True), x, 1 + strength * (saturation - 1))
    x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, 1 + strength * (contrast - 1))
    return cut(shift(x, drawn["shift"]), drawn["hole"], round(x.shape[-1] * HOLE * strength))


def shift(x: Tensor, by: Tensor) -> Tensor:
    """Shift each row by (rows, columns) pixels, ``by`` (2, N, 1) int64; zeros come in."""
    n, side = len(x), x.shape[-1]
    rows, columns = torch.arange(side, device=x.device) + by
    inside = _within(rows, side)[:, :, None] & _within(columns, side)[:, None, :]
    row = torch.arange(n, device=x.device)[:, None, None]
    moved = x.permute(0, 2, 3, 1)[row, rows.clamp(0, side - 1)[:, :, None], columns.clamp(0, side - 1)[:, None, :]]
    return (moved * inside[..., None]).permute(0, 3, 1, 2)


def cut(x: Tensor, centre: Tensor, hole: int) -> Tensor:
    """Set a square of ``hole`` pixels a side to zero around ``centre`` (2, N, 1) int64, which may lie at the edge."""
    from_start = torch.arange(x.shape[-1], device=x.device) - (centre - hole // 2)
    rows, columns = _within(from_start, hole)
    return x * ~(rows[:, :, None] & columns[:, None, :])[:, None]


def _within(places: Tensor, count: int) -> Tensor:
    return (places >= 0) & (places < count)
