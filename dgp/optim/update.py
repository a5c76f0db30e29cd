"""Input and output of the solvers ``gradient`` and ``lbfgs``: updates, constraints, and the result of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from dgp.optim.optimizers import Settings
from dgp.optim.schedules import constant
from dgp.variables.constraints import Constraint


@dataclass(frozen=True)
class Update:
    """How one tensor is updated.

    Attributes:
        lr: learning rate; 0 updates optimizer state alone.
        settings: the optimizer and its settings.
        schedule: factor on the learning rate at t in [0, 1).
        reset: whether the optimizer begins without the state of the stage before.
    """

    lr: float
    settings: Settings
    schedule: Callable[[float], float] = constant
    reset: bool = False


@dataclass(frozen=True)
class AnchoredConstraint:
    """A constraint and the value, (N, ...), that the variable had at the constraint's anchor."""

    constraint: Constraint
    anchor: Tensor


@dataclass(frozen=True)
class UpdatePlan:
    """All updates of a stage.

    Attributes:
        tensors: all variables and released weights by name, each (N, ...); those with an update require gradients.
        updates: by name.
        constraints: by name, of the variables that have one.
    """

    tensors: dict[str, Tensor]
    updates: dict[str, Update]
    constraints: dict[str, AnchoredConstraint] = field(default_factory=dict)

    def resumed(self) -> UpdatePlan:
        """Return the plan of a stage that goes on, in which no optimizer begins without its state."""
        return replace(self, updates={name: replace(update, reset=False) for name, update in self.updates.items()})


@dataclass(frozen=True)
class SolverOutput:
    """Result of a solver's step.

    Attributes:
        constrained: root mean square by which its constraint moved each row of a variable, by name, (N,).
        converged: rows whose objective gets no lower, (N,) bool on the CPU; None: no row.
    """

    constrained: dict[str, Tensor]
    converged: Tensor | None = None
