"""Unit vectors and the angle between vectors."""

from __future__ import annotations

import torch
from torch import Tensor


def normalize(x: Tensor, dim: int) -> Tensor:
    """Return x / ||x|| along ``dim``. Zero vectors stay zero, with a finite gradient."""
    square = x.square().sum(dim, keepdim=True)
    return x * torch.where(square > 0, square, 1.0).rsqrt()


def cosine_distance(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Return 1 - cos(a, b) along ``dim``, from 0 to 2, computed as ||a/|a| - b/|b|||^2 / 2.

    That form loses no digits where the two nearly agree. It is 0 where both are zero and 1/2 where one is.
    """
    return (normalize(a, dim) - normalize(b, dim)).square().sum(dim) / 2
