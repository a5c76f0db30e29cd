"""Convolutions of averaged maps, for coarser pictures of networks that have no colours of their own there."""

from __future__ import annotations

import torch
from torch import Tensor


def average_kernel(kernel: Tensor, halvings: int) -> Tensor:
    """Return the kernels that map averages of a map to averages of what the given ones, (C, 1, 3, 3), make of it.

    Exact for a map that is constant in each square of pixels: along a line, each halving leaves half of the weight of
    an outer tap there, and brings the other half to the middle.
    """
    if not halvings:
        return kernel
    once = kernel.new_tensor(((0.5, 0, 0), (0.5, 1, 0.5), (0, 0, 0.5)))
    line = torch.linalg.matrix_power(once, halvings)
    return line @ kernel @ line.t()
