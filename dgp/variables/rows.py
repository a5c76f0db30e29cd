"""The rows of a run: pictures x answers x starts, each with its own variables and released weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from generators.text import format_shapes, pluralise, shorten


@dataclass
class Rows:
    """N rows; the rows of one answer are contiguous.

    Attributes:
        picture: index of the observation that a row explains, (N,) int64 on the CPU.
        answer: index of the answer to that observation, (N,) int64 on the CPU.
        values: variables by name, each (N, ...).
        weights: released parameters of the generator by name, each (N, ...).
        start: index of the row among the starts of its answer, (N,) int64 on the CPU; counted if absent.
    """

    picture: Tensor
    answer: Tensor
    values: dict[str, Tensor]
    weights: dict[str, Tensor] = field(default_factory=dict)
    start: Tensor | None = None

    def __post_init__(self):
        if self.start is None:
            self.start = torch.cat([torch.arange(stop - start) for start, stop in self.blocks()])

    def __len__(self) -> int:
        return len(self.picture)

    def take(self, index: Tensor) -> Rows:
        """Return detached copies of the rows at ``index`` (n,)."""
        pick = lambda tensors: {name: t.detach()[index].clone() for name, t in tensors.items()}  # noqa: E731
        return Rows(
            self.picture[index],
            self.answer[index],
            pick(self.values),
            weights=pick(self.weights),
            start=self.start[index],
        )

    def of(self, picture: int, answer: int) -> Rows:
        """Return detached copies of the rows of one answer."""
        return self.take(((self.picture == picture) & (self.answer == answer)).nonzero()[:, 0])

    def best(self, scores: Tensor, keep: int) -> Tensor:
        """Return the indices of the ``keep`` rows of each answer with the lowest ``scores`` (N,), the best first."""
        chosen = []
        for start, stop in self.blocks():
            order = scores[start:stop].nan_to_num(nan=torch.inf).argsort(stable=True)[:keep]
            chosen.append(order.cpu() + start)
        return torch.cat(chosen)

    def blocks(self) -> list[tuple[int, int]]:
        """Return the half-open range [start, stop) of each answer's rows."""
        owner = torch.stack([self.picture, self.answer], 1)
        edges = (owner[1:] != owner[:-1]).any(1).nonzero()[:, 0].add(1).tolist()
        return list(zip([0, *edges], [*edges, len(self)], strict=True))

    def state_dict(self) -> dict:
        """Return all tensors, as ``from_state_dict`` takes them."""
        return {
            "picture": self.picture,
            "answer": self.answer,
            "start": self.start,
            "values": self.values,
            "weights": self.weights,
        }

    @classmethod
    def from_state_dict(cls, state: dict) -> Rows:
        """Return the rows of a ``state_dict``, which share its tensors."""
        return cls(**state)

    def __repr__(self) -> str:
        answers = len(self.blocks()) if len(self) else 0
        about = f"{pluralise(len(self), 'row')} of {pluralise(answers, 'answer')}, values {format_shapes(self.values)}"
        return shorten(f"Rows: {about}; {pluralise(len(self.weights), 'released tensor')}")


def concatenate(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts, one part after the other, with starts counted again."""
    join = lambda tables: {name: torch.cat([t[name] for t in tables]) for name in tables[0]}  # noqa: E731
    return Rows(
        torch.cat([rows.picture for rows in parts]),
        torch.cat([rows.answer for rows in parts]),
        join([rows.values for rows in parts]),
        join([rows.weights for rows in parts]),
    )
