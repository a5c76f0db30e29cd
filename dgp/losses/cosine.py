"""Vectors apart from their lengths."""

from __future__ import annotations

import torch
from torch import Tensor


def unit(x: Tensor, dim: int) -> Tensor:
    """x over its norm along ``dim``. Zero vectors stay zero, and their gradient is finite."""
    square = x.square().sum(dim, keepdim=True)
    return x * torch.where(square > 0, square, 1.0).rsqrt()


def turned(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """1 - cosine of the angle between a and b along ``dim``, which is gone: 0 to 2, without cancellation where they
    nearly agree; 0 where both are zero, 1/2 where one is."""
    return (unit(a, dim) - unit(b, dim)).square().sum(dim) / 2
