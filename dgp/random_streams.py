"""Random numbers of rows: each row has a stream of its own, the same whatever else runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from dgp.variables.rows import Rows, stream


class Streams:
    """The streams of some rows for one occasion, such as a step; successive calls go on in each.

    keys: of the observations, by picture.  occasion: a text; equal occasions draw equal numbers.
    """

    def __init__(self, seed: int, keys: Sequence[str], rows: Rows, part: slice | Tensor, occasion: str):
        self.seed, self.occasion = seed, occasion
        owners = (tensor[part].tolist() for tensor in (rows.picture, rows.answer, rows.start))
        self.owners = [(keys[picture], answer, start) for picture, answer, start in zip(*owners, strict=True)]

    @cached_property
    def generators(self) -> list[torch.Generator]:
        """One for each row, on the CPU."""
        return [stream(self.seed, f"{key} {self.occasion} {start}", answer) for key, answer, start in self.owners]

    def normal(self, *shape: int) -> Tensor:
        """(N, *shape) float32 on the CPU, from N(0, 1)."""
        return torch.stack([torch.randn(shape, generator=one) for one in self.generators])

    def uniform(self, *shape: int) -> Tensor:
        """(N, *shape) float32 on the CPU, from [0, 1)."""
        return torch.stack([torch.rand(shape, generator=one) for one in self.generators])
