"""Smooth extension of values into holes: a membrane, the solution of Laplace's equation with the known values fixed.

Coarse to fine: each level of a pyramid holds the means of the known values below it; unknown values are enlarged from
the level above and relaxed by damped Jacobi steps (cascadic multigrid: F. A. Bornemann, P. Deuflhard 1996). Time and
memory are proportional to the number of pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RELAXATIONS = 12
DAMPING = 0.9


def extend_membrane(values: Tensor, known: Tensor) -> Tensor:
    """Extend known values smoothly into all other pixels; known pixels are returned bit for bit.

    Args:
        values: (N, C, H, W) float.
        known: (N or 1, 1 or C, H, W) bool. In a plane without known pixels the result is 0.

    Returns:
        (N, C, H, W), same dtype.
    """
    known = known.expand_as(values)
    return torch.where(known, values, _solve(torch.where(known, values, 0), known.to(values)))


def _solve(values: Tensor, weight: Tensor) -> Tensor:
    """Return the membrane of values whose weight is above 0; values are 0 elsewhere."""
    if min(values.shape[-2:]) == 1 and max(values.shape[-2:]) == 1 or bool((weight > 0).all()):
        return values
    half = {"kernel_size": 2, "ceil_mode": True, "count_include_pad": False}
    covered = F.avg_pool2d(weight, **half)
    means = F.avg_pool2d(values * weight, **half) / covered.clamp_min(1e-6)
    coarse = _solve(torch.where(covered > 0, means, 0), covered)
    fine = F.interpolate(coarse, size=values.shape[-2:], mode="bilinear", align_corners=False)
    fixed = weight > 0
    fine = torch.where(fixed, values, fine)
    for _ in range(RELAXATIONS):
        padded = F.pad(fine, (1, 1, 1, 1), mode="replicate")
        mean = (padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1] + padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]) / 4
        fine = torch.where(fixed, values, torch.lerp(fine, mean, DAMPING))
    return fine
