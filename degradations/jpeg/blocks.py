"""Removal of the blocks and ringing that JPEG leaves, as noise whose deviation follows from the quantisation steps."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.jpeg import surrogate as jpeg
from degradations.solvers.sparse_change import extract_sparse_change


def estimate_deviation(steps: Tensor) -> Tensor:
    """Return the standard deviation of white noise to which the error of JPEG compares, in levels.

    sigma^2 = 0.69 m^1.3 with the mean m of the nine steps of the lowest frequencies (A. Foi, V. Katkovnik, K.
    Egiazarian 2007, "Pointwise shape-adaptive DCT for high-quality denoising and deblocking", equation 10).

    Args:
        steps: (1 or N, c, 1, 1, 64).

    Returns:
        (1 or N, c, 1, 1).
    """
    lowest = steps[..., 0, 0, :].unflatten(-1, (8, 8))[..., :3, :3].mean((-2, -1))
    return (0.69 * lowest**1.3).sqrt()[..., None, None]


def remove_blocks(x: Tensor, y: Tensor, steps: Tensor, deviation: Tensor) -> Tensor:
    """Remove the error of quantisation from y: x + the sparse part of y - x, in luma and in each chroma difference.

    Args:
        x: (N, c, H, W) levels near the truth.
        y: decoded levels, (N, c, H, W).
        steps: (1 or N, c, 1, 1, 64).
        deviation: of further noise, in levels, (N or 1, c or 1, 1, 1).

    Returns:
        (N, c, H, W) levels.
    """
    difference, own = y - x, (estimate_deviation(steps).square() + deviation.square()).sqrt()
    if y.shape[1] == 1:
        return x + extract_sparse_change(difference, own)
    planes = jpeg.mix_channels(difference, jpeg.TO_YCC)
    parts = [extract_sparse_change(planes[:, place], own[:, place]) for place in (slice(0, 1), slice(1, 3))]
    return x + jpeg.mix_channels(torch.cat(parts, 1), jpeg.TO_RGB)
