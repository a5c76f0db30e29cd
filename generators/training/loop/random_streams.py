"""Random streams of a run, as functions of its seed and step, so that a run can be resumed anywhere."""

from __future__ import annotations

import numpy as np
import torch

STEP, WEIGHTS, SHEET = 0, 2, 3  # changing a number changes all draws; 1 was once used


def make_stream(seed: int, kind: int, number: int = 0) -> torch.Generator:
    """Return a random stream on the CPU, different for each seed, kind and number."""
    (own,) = np.random.SeedSequence([seed, kind, number]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(own >> np.uint64(1)))
