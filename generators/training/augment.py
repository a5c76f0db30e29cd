"""Differentiable augmentation of real and generated pictures alike (Zhao et al. 2020): colour, translation, cutout."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT, HOLE = 1 / 8, 1 / 2  # of the side, at strength 1


def augmented(x: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """x (N, 3, R, R) in [-1, 1] -> the same, each row changed in its own way. strength: 1 as published, 0 none."""
    if not strength:
        return x
    n, side = len(x), x.shape[-1]
    uniform = torch.rand(3, n, 1, 1, 1, generator=random).to(x.device)
    brightness, saturation, contrast = uniform[0] - 0.5, 2 * uniform[1], uniform[2] + 0.5
    x = x + strength * brightness
    x = torch.lerp(x.mean(1, keepdim=True), x, 1 + strength * (saturation - 1))
    x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, 1 + strength * (contrast - 1))
    return cut(shifted(x, round(side * SHIFT * strength), random), round(side * HOLE * strength), random)


def shifted(x: Tensor, most: int, random: torch.Generator) -> Tensor:
    """By up to so many pixels either way; zeros come in."""
    n, side = len(x), x.shape[-1]
    by = torch.randint(-most, most + 1, (2, n, 1), generator=random).to(x.device)
    rows, columns = torch.arange(side, device=x.device) + by
    inside = _within(rows, side)[:, :, None] & _within(columns, side)[:, None, :]
    row = torch.arange(n, device=x.device)[:, None, None]
    moved = x.permute(0, 2, 3, 1)[row, rows.clamp(0, side - 1)[:, :, None], columns.clamp(0, side - 1)[:, None, :]]
    return (moved * inside[..., None]).permute(0, 3, 1, 2)


def cut(x: Tensor, hole: int, random: torch.Generator) -> Tensor:
    """Without a square of that side, whose centre lies anywhere in the picture."""
    n, side = len(x), x.shape[-1]
    centre = torch.randint(side + 1 - hole % 2, (2, n, 1), generator=random).to(x.device)
    from_start = torch.arange(side, device=x.device) - (centre - hole // 2)
    rows, columns = _within(from_start, hole)
    return x * ~(rows[:, :, None] & columns[:, None, :])[:, None]


def _within(places: Tensor, count: int) -> Tensor:
    return (places >= 0) & (places < count)
