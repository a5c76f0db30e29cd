"""Scoring rows without gradients, and the random streams of their evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial

import torch
from torch import Tensor

from dgp.losses.objective import Objective
from dgp.losses.prediction import Prediction
from dgp.losses.terms import Term
from dgp.observation.batch import ObservationBatch
from dgp.observation.estimate import Expectation
from dgp.random_streams import RowStreams
from dgp.rendering.renderer import Evaluations, Renderer
from dgp.variables.rows import Rows


@dataclass(frozen=True)
class Evaluator:
    """Scores rows of a run by an objective.

    Attributes:
        renderer: renders rows, for the observations of the run.
        seed: seed of the run.
        expectations: of each observation, where its unknown parameters are expected, by variable.
    """

    renderer: Renderer
    seed: int
    expectations: Sequence[Mapping[str, Expectation]] = ()

    @property
    def batch(self) -> ObservationBatch:
        """The observations of the run."""
        return self.renderer.batch

    @property
    def evaluations(self) -> Evaluations:
        return self.renderer.evaluations

    @cached_property
    def predict(self) -> Callable[..., Prediction]:
        """``Prediction`` with all arguments that are the same throughout the run."""
        return partial(Prediction, batch=self.batch, renderer=self.renderer, expectations=self.expectations)

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
        scores = []
        for part in self.renderer.chunks(len(rows) if index is None else index):
            values = {name: value[part] for name, value in rows.values.items()}
            weights = {name: weight[part] for name, weight in rows.weights.items()}
            pictures = rows.picture[part]
            if images is None:
                image = self.renderer(values, weights, pictures)
                self.evaluations.count_renders(pictures)
            else:
                image = images[part]
            passes = self.renderer.network_cost if images is None else 0
            self.evaluations.count_passes(pictures, passes + len(objective.networks))
            prediction = self.predict(
                image=image,
                values=values,
                pictures=pictures,
                through=through,
                weights=weights,
                draw_streams=cache(partial(self.streams, rows, part, "score")),
            )
            scores.append(objective(prediction).total)
        return torch.cat(scores)

    def streams(self, rows: Rows, part: slice | Tensor, occasion: str) -> RowStreams:
        """Return the random streams of the rows in ``part`` for an occasion; equal occasions draw equal numbers."""
        owners = (tensor[part].tolist() for tensor in (rows.picture, rows.answer, rows.start))
        observations = self.batch.observations
        named = [(observations[picture].key, answer, start) for picture, answer, start in zip(*owners, strict=True)]
        return RowStreams(self.seed, named, occasion)
