"""Pictures damaged by an operator whose unknown parameters are drawn from their ranges."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from degradations import Degradation
from dgp.identify.statistics import statistics

AT_ONCE = 2**19  # pixels


def positions(count: int, unknowns: int, seed: int) -> Tensor:
    """(count, unknowns) in [0, 1], evenly spread (Sobol), float32."""
    return torch.quasirandom.SobolEngine(unknowns, scramble=True, seed=seed).draw(count)


@torch.no_grad()
def simulate_statistics(operator: Degradation, pictures: Tensor, at: Tensor, seed: int, channels: int = 1) -> Tensor:
    """What files of the damaged pictures would tell: the statistics (n, F) of 8-bit observations, true codec and all.

    pictures (n, 3, H, W) in [-1, 1].  at (n, unknowns): where in its range each unknown parameter lies, in the order of
    ``operator.unknowns()``.  channels: as how many a grey observation is looked at.
    """
    random, unknowns, found = torch.Generator().manual_seed(seed), operator.unknowns(), []
    rows = max(1, AT_ONCE // (pictures.shape[-1] * pictures.shape[-2]))
    for part, where in zip(pictures.split(rows), at.split(rows), strict=True):
        values = {name: unknown.value(where[:, k]) for k, (name, unknown) in enumerate(unknowns.items())}
        y = (operator.bind(values) if values else operator).simulate(part, random)
        found.append(statistics(y.expand(-1, max(channels, y.shape[1]), -1, -1)))
    return torch.cat(found)


def fingerprint(probe: Tensor, said: list) -> str:
    """A name for what is learnt of statistics such as ``probe`` under the choices ``said``."""
    digest = hashlib.sha256(repr(said).encode())
    digest.update(probe.double().mul(1e3).round().long().numpy().tobytes())
    return digest.hexdigest()
