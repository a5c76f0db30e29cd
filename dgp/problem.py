"""Pictures to explain and the prior that shall explain them: how rows become pictures, and pictures scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dgp.losses.objective import Score, score
from dgp.losses.terms import Term
from dgp.losses.view import Targets, View
from dgp.rows import Rows
from generators import Generator, Prior


def one_by_one(tensors: dict[str, Tensor], split: bool = False) -> Iterator[dict[str, Tensor]]:
    """The rows of each tensor (N, ...), in turn; with ``split`` they keep a leading axis of 1.

    Unbinding at once lets the backward pass assemble each gradient in a single write; a single row needs none.
    """
    if not split and all(len(t) == 1 for t in tensors.values()):
        return iter([{name: t.squeeze(0) for name, t in tensors.items()}])
    rows = zip(*(t.split(1) if split else t.unbind() for t in tensors.values()), strict=True)
    return (dict(zip(tensors, row, strict=True)) for row in rows)


class _Capture(nn.Module):
    """Lets ``functional_call`` reach a method other than ``forward``."""

    def __init__(self, generator: Generator):
        super().__init__()
        self.generator = generator

    def forward(self, values):
        return self.generator.capture_norm(values)


@dataclass
class Evaluations:
    """How often a row was rendered, and how often a gradient went back through it."""

    forward: int = 0
    backward: int = 0


@dataclass
class Problem:
    """What search and stages share: targets, prior, seeds, and the count of evaluations."""

    targets: Targets
    prior: Prior
    seed: int
    answers: int
    evaluations: Evaluations = field(default_factory=Evaluations)

    @property
    def rows_at_once(self) -> int:
        """Rows of one forward and backward: about the memory of sixteen 128-px pictures."""
        return max(1, 2**18 // self.prior.generator.info.resolution**2)

    def chunks(self, count: int) -> Iterator[slice]:
        for start in range(0, count, self.rows_at_once):
            yield slice(start, min(start + self.rows_at_once, count))

    def render(self, values: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
        """(N, 3, R, R) in [-1, 1]. Rows with weights of their own pass the generator one at a time."""
        if not weights:
            return self.prior.generator(values)
        return torch.cat(
            [
                functional_call(self.prior.generator, own, (row,))
                for row, own in zip(one_by_one(values, split=True), one_by_one(weights), strict=True)
            ]
        )

    def evaluate(
        self, rows: Rows, part: slice, terms: Sequence[Term], through: str = "forward"
    ) -> tuple[Tensor, Score]:
        """(pictures, scores) of the rows in ``part``."""
        values = {name: v[part] for name, v in rows.values.items()}
        image = self.render(values, {name: w[part] for name, w in rows.weights.items()})
        self.evaluations.forward += len(image)
        return image, score(terms, View(self.targets, image, values, rows.picture[part], through))

    @torch.no_grad()
    def rank(self, rows: Rows, terms: Sequence[Term], through: str = "forward") -> Tensor:
        """The objective of each row (N,), without gradients."""
        return torch.cat([self.evaluate(rows, part, terms, through)[1].total for part in self.chunks(len(rows))])

    @torch.no_grad()
    def pictures(self, rows: Rows) -> Tensor:
        """(N, 3, R, R) in [-1, 1], without gradients and without counting: the answer being shown."""
        return torch.cat(
            [
                self.render({n: v[part] for n, v in rows.values.items()}, {n: w[part] for n, w in rows.weights.items()})
                for part in self.chunks(len(rows))
            ]
        )

    @torch.no_grad()
    def capture_norm(self, rows: Rows) -> dict[str, Tensor]:
        """The instance norms that stand for the stored statistics of each row, by name."""
        own = one_by_one(rows.weights) if rows.weights else [{}] * len(rows)
        captured = [
            functional_call(_Capture(self.prior.generator), {f"generator.{n}": w for n, w in weights.items()}, (row,))
            for row, weights in zip(one_by_one(rows.values, split=True), own, strict=True)
        ]
        return {name: torch.cat([norms[name] for norms in captured]) for name in captured[0]}

    def labels(self, picture: int, count: int, generator: torch.Generator) -> Tensor | None:
        """Classes of ``count`` candidates (count,): the told one, or all of them evenly in a random order."""
        classes = len(self.prior.generator.info.classes)
        if not classes:
            return None
        told = self.targets.observations[picture].label
        if told is not None:
            return torch.full((count,), told)
        order = torch.randperm(classes, generator=generator)
        return order.repeat(-(-count // classes))[:count]
