"""A few steps of gradient descent inside a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt

from dgp.losses.objective import networks
from dgp.losses.terms import Term
from dgp.optim.optimizers import OPTIMIZERS
from dgp.registry import Frozen

if TYPE_CHECKING:
    from torch import Tensor

    from dgp.engine.evaluator import Problem
    from dgp.variables.rows import Rows


class Inner(Frozen):
    """steps: how many.  move: learning rates, by variable.  optimizer: as of a stage's moves."""

    steps: PositiveInt = 30
    move: dict[str, NonNegativeFloat] = Field({"z": 0.05}, min_length=1)
    optimizer: Literal[tuple(OPTIMIZERS)] = "adam"

    def cost(self, terms: Sequence[Term]) -> int:
        """Passes through a network for each row: every step back and forth, and a last look."""
        looks = 3 * self.steps + 1 + self.steps * any(term.stochastic for term in terms if term.weight)
        return looks * (1 + len(networks(terms)))


def refined(problem: Problem, rows: Rows, inner: Inner, terms: Sequence[Term]) -> tuple[Rows, Tensor]:
    """Where each of the rows is best in a stage of its own, from new optimiser states, and its objective there (N,)."""
    from dgp.engine.stage import StageRun
    from dgp.optim.row_optimizer import Stepper
    from dgp.recipes.recipe import Move, Recipe, Stage, Variable  # which imports the searches

    moves = {name: Move(lr=lr, optimizer=inner.optimizer) for name, lr in inner.move.items()}
    stage = Stage(steps=inner.steps, move=moves, terms=terms, keep="best")
    variables = {name: Variable(constraint=constraint) for name, constraint in problem.constraints.items()}
    recipe = Recipe.model_construct(stages=(stage,), variables=variables)
    every = torch.arange(len(rows))
    run = StageRun(0, recipe, problem, rows.take(every), Stepper(), rows.take(every).values)
    for iteration in range(inner.steps):
        run.step(iteration)
    best, scores = run.leave()
    return best.take(every), scores
