"""What moves in a stage, and how it moves along gradients. Another way to move is ``dgp.optim.lbfgs``."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.optim.row_optimizer import Stepper
from dgp.recipes.recipe import Move, Release
from dgp.variables.constraints import Constraint, change


@dataclass(frozen=True)
class Moving:
    """What moves in a stage, by name.

    tensors (N, ...): all variables and released weights; those that move are leaves that require gradients.
    rates: (learning rate, curve, how) of those that move.  constraints: with its anchor (N, ...), where there is one.
    """

    tensors: dict[str, Tensor]
    rates: dict[str, tuple[float, str, Move | Release]]
    constraints: dict[str, tuple[Constraint, Tensor]]


@dataclass(frozen=True)
class Moved:
    """constrained: how far its constraint moved each row of a variable, by name, (N,).  done (N,) bool on the CPU: the
    rows that have come to their end; None: no row has."""

    constrained: dict[str, Tensor]
    done: Tensor | None = None


class Descent:
    """Steps along the gradient by an optimiser of each tensor, then onto the constraints.

    exact: whether the objective must be the same function in all steps.
    """

    exact = False

    def __init__(self, moving: Moving, stepper: Stepper):
        self.moving, self.stepper = moving, stepper
        stepper.plan(moving.rates, moving.tensors)

    def move(self, totals: Tensor, passed: float, rows: Tensor | None) -> Moved:
        """One step.

        totals (N,): the objective, whose gradients the tensors hold.  passed: in [0, 1), the part of the stage that is
        over.  rows (N,) bool on the CPU: those that take part; None: all.
        """
        self.stepper.step(passed, rows)
        constrained = {}
        with torch.no_grad():
            for name, (constraint, anchor) in self.moving.constraints.items():
                value = self.moving.tensors[name]
                legal = constraint.apply(value, anchor)
                if rows is not None:
                    legal[~rows] = value[~rows]
                constrained[name] = change(value, legal)
                value.copy_(legal)
        return Moved(constrained)

    def close(self) -> None:
        """Nothing is left running."""
