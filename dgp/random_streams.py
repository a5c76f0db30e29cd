"""Random numbers that depend on the seed, the picture and the row alone, never on what else runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor


def random_stream(seed: int, key: str, answer: int) -> torch.Generator:
    """Return the random generator of one answer to one picture, on the CPU.

    Args:
        seed: seed of the run.
        key: names the picture, and what the numbers are for.
        answer: index of the answer.
    """
    digest = hashlib.sha256(f"{seed}:{key}:{answer}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class RowStreams:
    """Random generators of N rows for one occasion, such as a step; successive draws continue each row's stream.

    Args:
        seed: seed of the run.
        owners: (key of the picture, index of the answer, index of the start) of each row.
        occasion: a text; equal occasions draw equal numbers.
    """

    def __init__(self, seed: int, owners: Sequence[tuple[str, int, int]], occasion: str):
        self.seed, self.owners, self.occasion = seed, owners, occasion

    @cached_property
    def generators(self) -> list[torch.Generator]:
        """One generator for each row, on the CPU."""
        return [
            random_stream(self.seed, f"{key} {self.occasion} {start}", answer) for key, answer, start in self.owners
        ]

    def normal(self, *shape: int) -> Tensor:
        """Draw (N, *shape) float32 from N(0, 1), on the CPU."""
        return torch.stack([torch.randn(shape, generator=one) for one in self.generators])

    def uniform(self, *shape: int) -> Tensor:
        """Draw (N, *shape) float32 from [0, 1), on the CPU."""
        return torch.stack([torch.rand(shape, generator=one) for one in self.generators])
