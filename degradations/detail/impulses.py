"""Pixels that impulse noise has replaced."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.solvers.membrane import extend_membrane

FAR = 0.15  # least mean difference from the surroundings, on the scale of [-1, 1]


def find_impulses(y: Tensor, values: tuple[float, ...], tolerance: float | Tensor) -> Tensor:
    """Find the pixels that have one of the values of the noise in all channels, and differ from their surroundings.

    The surroundings are a membrane over all pixels with such a value, so that areas that are truly black or white
    are kept, as their rim is black or white too.

    Args:
        y: (N, c, h, w).
        values: what a pixel may become.
        tolerance: greatest difference from a value.

    Returns:
        (N, 1, h, w) bool.
    """
    suspect = torch.zeros_like(y[:, :1], dtype=torch.bool)
    for value in values:
        suspect |= ((y - value).abs() <= tolerance).all(1, keepdim=True)
    around = extend_membrane(y, ~suspect)
    return suspect & ((y - around).abs().mean(1, keepdim=True) > FAR)
