"""Probability densities of positions in [0, 1], predicted as mixtures of normal distributions."""

from __future__ import annotations

import torch
from torch import Tensor

COMPONENTS = 3
OUTPUTS = 3 * COMPONENTS  # of a network, for each unknown parameter
NARROWEST, WIDEST = -5.5, 0.5  # log of a component's standard deviation
OUTLIERS = 0.02  # weight of a uniform distribution, so that no patch excludes any value
GRID = torch.linspace(0, 1, 401)


def log_density(out: Tensor, at: Tensor) -> Tensor:
    """Return the log density of each parameter.

    Args:
        out: outputs of the network, (N, unknowns OUTPUTS).
        at: positions, (N or 1, unknowns, points).

    Returns:
        (N, unknowns, points).
    """
    weight, mean, width = out.unflatten(1, (-1, 3, COMPONENTS)).unbind(2)
    width = width.clamp(NARROWEST, WIDEST)
    off = (at[..., None] - (mean[:, :, None] + 0.5)) / width.exp()[:, :, None]
    parts = weight.log_softmax(-1)[:, :, None] - width[:, :, None] - off.square() / 2 - 0.9189385  # log sqrt(2 pi)
    inside = parts.logsumexp(-1) + torch.log(torch.tensor(1 - OUTLIERS))
    return torch.logaddexp(inside, torch.log(torch.tensor(OUTLIERS)))


def combine(out: Tensor) -> tuple[Tensor, Tensor]:
    """Combine what several patches of one picture say.

    The product of the densities to the power of 1 / sqrt(n), as patches of one picture err in the same direction. The
    mean and the standard deviation are those around the mode: an angle at the end of its range has another mode at the
    other end.

    Args:
        out: outputs of the network for n patches, (n, unknowns OUTPUTS).

    Returns:
        Mean and standard deviation of each parameter's position, (unknowns,) each.
    """
    unknowns = out.shape[1] // OUTPUTS
    logs = log_density(out, GRID.expand(1, unknowns, -1)).sum(0) / len(out) ** 0.5
    density = logs.softmax(-1)
    mode = GRID[density.argmax(-1)]
    near = density * ((GRID - mode[:, None]).abs() < 0.25)
    near = near / near.sum(-1, keepdim=True)
    mean = near @ GRID
    deviation = (near * (GRID - mean[:, None]).square()).sum(-1).sqrt()
    return mean, deviation.clamp_min(0.0015)
