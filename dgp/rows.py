"""The rows of a run: pictures x answers x starts, and what each of them has to itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Rows:
    """N rows, those of one answer side by side.

    picture, answer (N,) int64 on the CPU: which observation a row explains, and as which of its answers.
    values: variables by name, each (N, ...).  weights: released parameters by name, each (N, ...).
    """

    picture: Tensor
    answer: Tensor
    values: dict[str, Tensor]
    weights: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.picture)

    def take(self, index: Tensor) -> Rows:
        """The rows at ``index``, detached copies."""
        pick = lambda tensors: {name: t.detach()[index].clone() for name, t in tensors.items()}  # noqa: E731
        return Rows(self.picture[index], self.answer[index], pick(self.values), pick(self.weights))

    def best(self, scores: Tensor, keep: int) -> Tensor:
        """Indices of the ``keep`` rows with the lowest ``scores`` (N,) of each answer, the best first."""
        chosen = []
        for start, stop in self.blocks():
            order = scores[start:stop].nan_to_num(nan=torch.inf).argsort(stable=True)[:keep]
            chosen.append(order.cpu() + start)
        return torch.cat(chosen)

    def blocks(self) -> list[tuple[int, int]]:
        """[start, stop) of each answer's rows."""
        owner = torch.stack([self.picture, self.answer], 1)
        edges = (owner[1:] != owner[:-1]).any(1).nonzero()[:, 0].add(1).tolist()
        return list(zip([0, *edges], [*edges, len(self)], strict=True))


def stream(seed: int, key: str, answer: int) -> torch.Generator:
    """The random numbers of one answer to one picture: the same whatever else runs, and in whatever order."""
    digest = hashlib.sha256(f"{seed}:{key}:{answer}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
