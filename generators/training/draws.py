"""All that is random in a run, as functions of its seed and of how far it is, so that it can go on anywhere."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

STEP, SHUFFLE, WEIGHTS, SHEET = range(4)


def stream(seed: int, kind: int, number: int = 0) -> torch.Generator:
    """A stream of its own, on the CPU, for each kind and number."""
    (own,) = np.random.SeedSequence([seed, kind, number]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(own >> np.uint64(1)))


def order(seed: int, count: int, first: int, rows: int) -> Tensor:
    """(rows,) int64: which of ``count`` pictures come from place ``first`` on, where all are shuffled ever again."""
    places = torch.arange(first, first + rows)
    epochs = places // count
    return torch.cat(
        [_shuffled(seed, count, epoch)[places[epochs == epoch] % count] for epoch in epochs.unique().tolist()]
    )


@functools.lru_cache(2)
def _shuffled(seed: int, count: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=stream(seed, SHUFFLE, epoch))
