"""Convolutions of averaged maps, by which networks draw coarser pictures of themselves.

Each function is exact for a map that is constant in each square of pixels that was averaged.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


def average_kernel(kernel: Tensor, halvings: int) -> Tensor:
    """Return the kernels that map averages of a map to averages of what the given ones make of it.

    Along a line, each halving leaves half of the weight of an outer tap there, and brings the other half to the middle.

    Args:
        kernel: of a convolution that keeps the size, (O, I, 3, 3).
        halvings: how often the maps are averaged over squares of two pixels.
    """
    if not halvings:
        return kernel
    line = _average_line(halvings, kernel.dtype, kernel.device)
    return line @ kernel @ line.t()


@lru_cache(maxsize=32)
@torch.inference_mode(False)
def _average_line(halvings: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the map of taps along a line to those for averages, (3, 3); kept, since every transfer waits."""
    once = torch.tensor(((0.5, 0, 0), (0.5, 1, 0.5), (0, 0, 0.5)), dtype=dtype, device=device)
    return torch.linalg.matrix_power(once, halvings)


def average_enlarging_kernel(kernel: Tensor, taps: tuple[float, ...], halvings: int) -> Tensor:
    """Return the kernels that map averages of a map to averages of what a layer that doubles its size makes of it.

    Args:
        kernel: of the transposed convolution of stride 2, (O, I, 3, 3).
        taps: of the filter after it.
        halvings: how often the result is averaged over squares of two pixels, once more than the map.

    Returns:
        (O, I, n, n), n odd, for a convolution that keeps the size.
    """
    line = _respond_along_line(taps, halvings).to(kernel)
    return line @ kernel @ line.t()


@lru_cache(maxsize=32)
@torch.inference_mode(False)
@torch.no_grad()
def _respond_along_line(taps: tuple[float, ...], halvings: int) -> Tensor:
    """Return the averaged response to one pixel by each of three taps, as a correlation: (n, 3) float64."""
    reach = len(taps)
    pixel = torch.zeros(1, 1, 2 * reach + 1, dtype=torch.float64)
    pixel[..., reach] = 1
    pixel = pixel.repeat_interleave(2 ** (halvings - 1), 2)
    fir = torch.tensor(taps, dtype=torch.float64).flip(0)[None, None] * 2 / sum(taps)
    columns = []
    for tap in torch.eye(3, dtype=torch.float64):
        enlarged = F.conv_transpose1d(pixel, tap[None, None], stride=2)
        filtered = F.conv1d(enlarged, fir, padding=len(taps) // 2 - 1)
        columns.append(F.avg_pool1d(filtered, 2**halvings)[0, 0])
    found = torch.stack(columns, 1).flip(0)
    used = (found.abs().sum(1) > 0).nonzero()[:, 0]
    half = int((used - reach).abs().max())
    return found[reach - half : reach + half + 1]
