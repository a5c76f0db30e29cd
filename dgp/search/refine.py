"""Gradient steps inside a search."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.engine.stage import begin_stage
from dgp.engine.stage_options import Move, Optimizer, Stage
from dgp.losses.objective import list_networks
from dgp.losses.terms import Term
from dgp.optim.gradient import RowOptimizers
from dgp.registry import Options
from dgp.variables.rows import Rows


class Inner(Options):
    """Gradient steps of every member of a population.

    steps: number of steps.  move: learning rates by variable.  optimizer: as of a stage's variables.
    """

    steps: PositiveInt = 30
    move: dict[str, NonNegativeFloat] = Field({"z": 0.05}, min_length=1)
    optimizer: Optimizer = "adam"

    def cost(self, terms: Sequence[Term]) -> int:
        """Return the passes through a network for each row: every step forward and backward, and a last evaluation."""
        passes = 3 * self.steps + 1 + self.steps * any(term.stochastic for term in terms if term.weight)
        return passes * (1 + len(list_networks(terms)))

    def refine(self, evaluator: Evaluator, source: RowSource, rows: Rows, terms: Sequence[Term]) -> tuple[Rows, Tensor]:
        """Return the best points of rows over a stage of their own, and the objective there, (N,).

        Optimizer states are new in each call.
        """
        moves = {name: Move(lr=lr, optimizer=self.optimizer) for name, lr in self.move.items()}
        every = torch.arange(len(rows))
        run = begin_stage(
            Stage(steps=self.steps, move=moves, terms=terms, keep="best"),
            0,
            evaluator=evaluator,
            rows=rows.take(every),
            optimizers=RowOptimizers(),
            constraints=source.constraints,
            starts=rows.take(every).values,
        )
        for iteration in range(self.steps):
            run.step(iteration)
        best, scores = run.finish()
        return best.take(every), scores
