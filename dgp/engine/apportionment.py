"""Apportionment of rows among classes by their probabilities."""

from __future__ import annotations

import torch
from torch import Tensor


def apportion(probabilities: Tensor, count: int) -> Tensor:
    """Return ``count`` classes, as many of each as its probability demands, (count,) int64.

    The method of Sainte-Lague, which gives the k-th seat of a class (k = 0, 1, ...) the rank (k + 1/2) / p: every
    prefix of the result is apportioned in the same way, and the likeliest class comes first.

    Args:
        probabilities: of the classes, (C,); classes of probability 0 get nothing.
        count: number of rows.
    """
    ranks = (torch.arange(count, dtype=torch.float64) + 0.5) / probabilities.double()[:, None]
    order = ranks.flatten().argsort(stable=True)[:count]
    return order.div(count, rounding_mode="floor")
