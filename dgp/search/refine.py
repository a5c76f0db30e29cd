"""Gradient steps inside a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.engine.stage import StageRun
from dgp.engine.stage_entry import begin_stage, resume_stage, save_stage
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
        found = evaluator.recall(lambda: self._refine(evaluator, source, rows, terms))
        refined = rows.take(torch.arange(len(rows)))
        return replace(refined, values=refined.values | found["values"]), found["scores"]

    def _refine(self, evaluator: Evaluator, source: RowSource, rows: Rows, terms: Sequence[Term]) -> dict:
        """Return the values (N, ...) that ``refine`` moves, by name, and its scores."""
        every = torch.arange(len(rows))
        stage = Stage(steps=self.steps, move=self._moves(), terms=terms, keep="best")
        how = {"evaluator": evaluator, "optimizers": RowOptimizers(), "constraints": source.constraints}
        journal = evaluator.journal
        if interrupted := journal and journal.take_partial():
            first, run = interrupted["iteration"], resume_stage(stage, 0, state=interrupted["stage"], **how)
        else:
            first, run = 0, begin_stage(stage, 0, rows=rows.take(every), starts=rows.take(every).values, **how)
        for iteration in range(first, self.steps):
            run.step(iteration)
            if journal:
                journal.safe_point(partial(_save, run, iteration + 1))
        best, scores = run.finish()
        return {"values": {name: best.values[name] for name in self.move}, "scores": scores}

    def _moves(self) -> dict[str, Move]:
        return {name: Move(lr=lr, optimizer=self.optimizer) for name, lr in self.move.items()}


def _save(run: StageRun, iteration: int) -> dict:
    """Return the state of a refinement whose next step is ``iteration``."""
    return {"iteration": iteration, "stage": save_stage(run)}
