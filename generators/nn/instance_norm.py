"""Instance normalisation with parameters for each row."""

from __future__ import annotations

import torch
from torch import Tensor

INSTANCE_EPS = 1e-5


def instance_norm(x: Tensor, norm: Tensor) -> Tensor:
    """Normalise each row and channel by its own mean and biased variance, then scale and shift.

        y = (x - mean(x)) / sqrt(var(x) + 1e-5) * weight + bias

    Args:
        x: (N, C, h, w).
        norm: (N, 2, C), weight and bias of each row.

    Returns:
        (N, C, h, w).
    """
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    scale = norm[:, 0] * torch.rsqrt(variance + INSTANCE_EPS)
    return torch.addcmul((norm[:, 1] - mean * scale)[..., None, None], x, scale[..., None, None])
