"""The noise of error diffusion."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from degradations.constants import constant
from degradations.solvers.sparse_change import BLOCK

# Floyd and Steinberg: where a pixel's error comes from (pixels down, across) and its share
SHARES = {(0, 1): 7 / 16, (1, -1): 3 / 16, (1, 0): 5 / 16, (1, 1): 1 / 16}


def compute_spectrum(like: Tensor) -> Tensor:
    """Return |1 - H| of Floyd and Steinberg's filter H at the 64 frequencies of a block, row by row, (64,).

    The error of a dithered picture is white rounding noise filtered by 1 - H.
    """
    return constant(_compute(), like)


@functools.cache
def _compute() -> tuple[float, ...]:
    angle = torch.pi * torch.arange(BLOCK, dtype=torch.float64) / BLOCK
    power = torch.zeros(BLOCK, BLOCK, dtype=torch.float64)
    for sign in (-1, 1):
        phases = {way: way[0] * angle[:, None] + sign * way[1] * angle for way in SHARES}
        real = 1 - sum(share * phases[way].cos() for way, share in SHARES.items())
        imaginary = sum(share * phases[way].sin() for way, share in SHARES.items())
        power += (real.square() + imaginary.square()) / 2
    return tuple(power.sqrt().clamp_min(0.02).flatten().tolist())
