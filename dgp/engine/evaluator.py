"""Scoring rows without gradients, and the random streams of their evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeVar

import torch
from torch import Tensor

from dgp.checkpoint.tree import Tree
from dgp.engine.journal import Journal
from dgp.losses.objective import Objective
from dgp.losses.prediction import Prediction
from dgp.losses.terms import Term
from dgp.observation.batch import ObservationBatch
from dgp.observation.coarser import choose_side
from dgp.observation.estimate import Expectation
from dgp.random_streams import RowStreams
from dgp.rendering.renderer import Evaluations, Renderer
from dgp.variables.rows import Rows

Found = TypeVar("Found", bound=Tree)


@dataclass(frozen=True)
class Evaluator:
    """Scores rows of a run by an objective.

    Attributes:
        renderer: renders rows, for the observations of the run.
        seed: seed of the run.
        expectations: of each observation, where its unknown parameters are expected, by variable.
        sides: pixels a side of the pictures that are compared with each observation; empty: the prior's own.
        journal: of a search, which records what evaluations find; None: nothing is recorded.
    """

    renderer: Renderer
    seed: int
    expectations: Sequence[Mapping[str, Expectation]] = ()
    sides: tuple[int, ...] = ()
    journal: Journal | None = None

    @property
    def batch(self) -> ObservationBatch:
        """The observations of the run."""
        return self.renderer.batch

    @property
    def evaluations(self) -> Evaluations:
        return self.renderer.evaluations

    def at(self, resolution: int | None) -> Evaluator:
        """Return the evaluator that looks at each observation at this size or the next larger; None: as this one does.

        Args:
            resolution: pixels a side; larger ones are used where the prior draws no such picture, or where it would
                lack what the observation tells (`dgp.observation.coarser`).
        """
        own, available = self.renderer.resolution, self.renderer.prior.generator.resolutions
        if resolution is None or resolution >= own or len(available) == 1:
            return self
        sides = tuple(choose_side(one, resolution, available) for one in self.batch.observations)
        return self if set(sides) == {own} else replace(self, sides=sides)

    def at_full_size(self) -> Evaluator:
        """Return the evaluator that looks at the prior's own pictures."""
        return replace(self, sides=())

    def parts(self, pictures: Tensor, index: Tensor | None = None) -> Iterator[tuple[Renderer, slice | Tensor]]:
        """Yield the ``blocks`` of rows in parts that were found to fit into memory, and who renders them."""
        for renderer, block in self.blocks(pictures, index):
            yield from ((renderer, part) for part in renderer.memory.split(block, renderer.resolution))

    def blocks(self, pictures: Tensor, index: Tensor | None = None) -> Iterator[tuple[Renderer, slice | Tensor]]:
        """Yield rows that should fit into memory together, and who renders them; the same whatever was found to fit.

        Args:
            pictures: index of the observation of each row, (N,) on the CPU.
            index: rows to take, (n,); None: all.
        """
        if not self.sides:
            found = [(self.renderer, len(pictures) if index is None else index)]
        else:
            every = torch.arange(len(pictures)) if index is None else index
            of_rows = torch.tensor(self.sides)[pictures[every]]
            found = [(self._renderer_at(side), every[of_rows == side]) for side in of_rows.unique().tolist()]
        for renderer, rows in found:
            yield from ((renderer, block) for block in renderer.blocks(rows))

    def _renderer_at(self, side: int) -> Renderer:
        return self.renderer.at(side, [index for index, own in enumerate(self.sides) if own == side])

    def predict(self, renderer: Renderer, **of_rows) -> Prediction:
        """Return the Prediction of rows that ``renderer`` rendered; the other arguments are those of Prediction."""
        return Prediction(renderer.batch, renderer=renderer, expectations=self.expectations, **of_rows)

    @torch.no_grad()
    def score(
        self, rows: Rows, terms: Sequence[Term], through: str = "forward", images: Tensor | None = None
    ) -> Tensor:
        """Return the objective of rows, (N,), without gradients and under the same random numbers every time.

        Args:
            rows: N rows.
            terms: terms of the objective.
            through: how phi(x) is computed, see ``Prediction``.
            images: pictures of the rows, (N, 3, R, R), where they are rendered already.
        """
        return self.score_part(rows, None, Objective(terms), through=through, images=images)

    @torch.no_grad()
    def score_part(
        self,
        rows: Rows,
        index: Tensor | None,
        objective: Objective,
        *,
        through: str = "forward",
        images: Tensor | None = None,
    ) -> Tensor:
        """Return the objective of the rows at ``index`` (n,), None: all, as ``score`` does, (n,)."""
        scores, places = [], []
        whole = self if images is None else self.at_full_size()
        for renderer, block in whole.blocks(rows.picture, index):
            scores.append(self.recall(partial(self._score_block, rows, block, objective, renderer, through, images)))
            places.append(block)
        return in_order(scores, places)

    def _score_block(
        self,
        rows: Rows,
        block: slice | Tensor,
        objective: Objective,
        renderer: Renderer,
        through: str,
        images: Tensor | None,
    ) -> Tensor:
        """Return the objective of the rows in ``block``, (n,), given the pictures of all rows or None."""

        def score_part(part: slice | Tensor) -> Tensor:
            image = None if images is None else images[part]
            return self._score_rows(rows, part, objective, renderer, through, image)

        side, memory = renderer.resolution, renderer.memory
        found = memory.evaluate(memory.split(block, side), side, score_part)
        return found[0] if len(found) == 1 else torch.cat(found)

    def recall(self, evaluate: Callable[[], Found]) -> Found:
        """Return what ``evaluate`` finds, or what the journal of an interrupted search has in its place."""
        return evaluate() if self.journal is None else self.journal.recall(evaluate)

    def _score_rows(
        self,
        rows: Rows,
        part: slice | Tensor,
        objective: Objective,
        renderer: Renderer,
        through: str,
        image: Tensor | None,
    ) -> Tensor:
        """Return the objective of the rows in ``part``, (n,), given their pictures (n, 3, r, r) or None."""
        values = {name: value[part] for name, value in rows.values.items()}
        weights = {name: weight[part] for name, weight in rows.weights.items()}
        pictures = rows.picture[part]
        rendered = image is None
        if rendered:
            image = renderer(values, weights, pictures)
        prediction = self.predict(
            renderer,
            image=image,
            values=values,
            pictures=pictures,
            through=through,
            weights=weights,
            draw_streams=cache(partial(self.streams, rows, part, "score")),
        )
        total = objective(prediction).total
        if rendered:
            self.evaluations.count_renders(pictures)
        self.evaluations.count_passes(pictures, renderer.network_cost * rendered + len(objective.networks))
        return total

    def streams(self, rows: Rows, part: slice | Tensor, occasion: str) -> RowStreams:
        """Return the random streams of the rows in ``part`` for an occasion; equal occasions draw equal numbers."""
        owners = (tensor[part].tolist() for tensor in (rows.picture, rows.answer, rows.start))
        observations = self.batch.observations
        named = [(observations[picture].key, answer, start) for picture, answer, start in zip(*owners, strict=True)]
        return RowStreams(self.seed, named, occasion)


def in_order(values: Sequence[Tensor], parts: Sequence[slice | Tensor]) -> Tensor:
    """Return values (n, ...) of the parts that ``Evaluator.parts`` yielded, in the order of the rows."""
    if len(values) == 1:
        return values[0]
    joined = torch.cat(list(values))
    if isinstance(parts[0], slice):
        return joined
    return joined[torch.cat(list(parts)).argsort().to(joined.device)]
