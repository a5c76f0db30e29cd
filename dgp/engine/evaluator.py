"""Scoring rows without gradients, and the random streams of their evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

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
        renderer: renders rows.
        batch: the observations.
        seed: seed of the run.
        expectations: of each observation, where its unknown parameters are expected, by variable.
    """

    renderer: Renderer
    batch: ObservationBatch
    seed: int
    expectations: Sequence[Mapping[str, Expectation]] = ()

    @property
    def evaluations(self) -> Evaluations:
        return self.renderer.evaluations

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
        return self.score_part(rows, torch.arange(len(rows)), Objective(terms), through=through, images=images)

    @torch.no_grad()
    def score_part(
        self, rows: Rows, index: Tensor, objective: Objective, *, through: str = "forward", images: Tensor | None = None
    ) -> Tensor:
        """Return the objective of the rows at ``index`` (n,), as ``score`` does, (n,)."""
        parts = self.renderer.chunks(len(rows)) if len(index) == len(rows) else self.renderer.chunks(index)
        scores = []
        for part in parts:
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
            prediction = Prediction(
                batch=self.batch,
                image=image,
                values=values,
                pictures=pictures,
                through=through,
                renderer=self.renderer,
                weights=weights,
                expectations=self.expectations,
                draw_streams=cache(partial(self.streams, rows, part, "score")),
            )
            scores.append(objective(prediction).total)
        return torch.cat(scores)

    def streams(self, rows: Rows, part: slice | Tensor, occasion: str) -> RowStreams:
        """Return the random streams of the rows in ``part`` for an occasion; equal occasions draw equal numbers."""
        owners = (tensor[part].tolist() for tensor in (rows.picture, rows.answer, rows.start))
        keys = [observation.key for observation in self.batch.observations]
        return RowStreams(
            self.seed,
            [(keys[picture], answer, start) for picture, answer, start in zip(*owners, strict=True)],
            occasion,
        )
