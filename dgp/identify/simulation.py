"""Simulated observations of an operator with given values of its unknown parameters."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from degradations import Degradation
from dgp.identify.statistics import statistics

AT_ONCE = 2**19  # pixels


def positions(count: int, unknowns: int, seed: int) -> Tensor:
    """Return evenly spread points of the unit cube (scrambled Sobol sequence), (count, unknowns) float32."""
    return torch.quasirandom.SobolEngine(unknowns, scramble=True, seed=seed).draw(count)


@torch.no_grad()
def simulate_statistics(operator: Degradation, pictures: Tensor, at: Tensor, seed: int, channels: int = 1) -> Tensor:
    """Return the statistics of simulated observations, rounded to 8 bits and compressed as files would be.

    Args:
        operator: the degradation.
        pictures: (n, 3, H, W) in [-1, 1].
        at: (n, unknowns) in [0, 1], the position of each unknown parameter in its range, in the order of
            ``operator.unknowns()``.
        seed: seed of the noise.
        channels: repeat the channel of grey observations to so many.

    Returns:
        (n, F) float32.
    """
    random, found = torch.Generator().manual_seed(seed), []
    rows = max(1, AT_ONCE // (pictures.shape[-1] * pictures.shape[-2]))
    for part, where in zip(pictures.split(rows), at.split(rows), strict=True):
        y = simulate(operator, part, where, random)
        found.append(statistics(y.expand(-1, max(channels, y.shape[1]), -1, -1)))
    return torch.cat(found)


@torch.no_grad()
def simulate(operator: Degradation, pictures: Tensor, at: Tensor, random: torch.Generator) -> Tensor:
    """Return simulated observations as 8-bit files hold them; the arguments are those of ``simulate_statistics``."""
    values = {name: unknown.value(at[:, k]) for k, (name, unknown) in enumerate(operator.unknowns().items())}
    return (operator.bind(values) if values else operator).simulate(pictures, random)


def fingerprint(probe: Tensor, choices: list) -> str:
    """Return the key under which a trained network is cached: a sha256 of some statistics and of the choices."""
    digest = hashlib.sha256(repr(choices).encode())
    digest.update(probe.double().mul(1e3).round().long().numpy().tobytes())
    return digest.hexdigest()
