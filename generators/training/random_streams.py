"""All that is random in a run, as functions of its seed and of how far it is, so that it can go on anywhere."""

from __future__ import annotations

import numpy as np
import torch

STEP, WEIGHTS, SHEET = 0, 2, 3  # a number is part of what a seed means; 1 was that of shuffles


def make_stream(seed: int, kind: int, number: int = 0) -> torch.Generator:
    """A stream of its own, on the CPU, for each kind and number."""
    (own,) = np.random.SeedSequence([seed, kind, number]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(own >> np.uint64(1)))
