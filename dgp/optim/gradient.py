"""Gradient steps: an optimizer for each tensor, whose state belongs to its rows, then the constraints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.optim.optimizers import OPTIMIZERS, DefaultSettings, Settings
from dgp.optim.update import SolverOutput, UpdatePlan
from dgp.variables.constraints import rms_change


@dataclass
class RowOptimizer:
    """An optimizer of one tensor (N, ...).

    The optimizer sees each row as a tensor of its own, a view of this one: moments and step count belong to a row, and
    a row without a gradient is not updated.
    """

    tensor: Tensor
    kind: str
    optimizer: torch.optim.Optimizer

    def forget(self, rows: Sequence[int]) -> None:
        """Drop the state of rows."""
        for row in rows:
            self.optimizer.state.pop(self.rows[row], None)

    @classmethod
    def create(cls, tensor: Tensor, settings: Settings) -> RowOptimizer:
        rows = list(tensor.detach().unbind())
        return cls(tensor, settings.optimizer, OPTIMIZERS[settings.optimizer](rows, settings))

    @property
    def rows(self) -> list[Tensor]:
        return self.optimizer.param_groups[0]["params"]

    def inherit(self, other: RowOptimizer) -> None:
        """Take over the state of another optimizer of the same rows."""
        for mine, theirs in zip(self.rows, other.rows, strict=True):
            if theirs in other.optimizer.state:
                self.optimizer.state[mine] = other.optimizer.state.pop(theirs)

    def take(self, index: list[int], tensor: Tensor) -> None:
        """Keep the state of the rows at ``index``, whose values are in ``tensor`` from now on."""
        old, state = self.rows, self.optimizer.state
        rows = list(tensor.detach().unbind())
        kept = {row: _copy_state(state[old[i]]) for row, i in zip(rows, index, strict=True) if old[i] in state}
        state.clear()
        state.update(kept)
        self.optimizer.param_groups[0]["params"], self.tensor = rows, tensor

    def state_dict(self) -> dict:
        """Return the kind of optimizer and the state of each row, None for a row that was never updated."""
        state = self.optimizer.state
        return {"kind": self.kind, "rows": [dict(state[row]) if row in state else None for row in self.rows]}

    @classmethod
    def from_state_dict(cls, state: dict, tensor: Tensor) -> RowOptimizer:
        """Return an optimizer of ``tensor`` that hands on the state of a ``state_dict``."""
        made = cls.create(tensor, DefaultSettings(state["kind"]))
        made.optimizer.state.update(
            {row: own for row, own in zip(made.rows, state["rows"], strict=True) if own is not None}
        )
        return made

    def step(self, lr: float, active: list[bool] | None, halved: Sequence[int] = ()) -> None:
        """Update the rows that are active (None: all) along the gradient of the tensor, and clear it.

        Args:
            lr: learning rate.
            active: of each row, whether it is updated.
            halved: rows that make half the step.
        """
        if self.tensor.grad is None:
            return
        before = {row: self.rows[row].clone() for row in halved}
        for i, (row, gradient) in enumerate(zip(self.rows, self.tensor.grad.unbind(), strict=True)):
            row.grad = gradient if active is None or active[i] else None
        self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.step()
        for row, value in before.items():
            self.rows[row].lerp_(value, 0.5)
        self.optimizer.zero_grad(set_to_none=True)
        self.tensor.grad = None


class RowOptimizers:
    """The optimizers of a run by the name of their tensor; their state is carried from stage to stage."""

    def __init__(self):
        self.by_name: dict[str, RowOptimizer] = {}

    def prepare(self, plan: UpdatePlan) -> None:
        """Give every updated tensor of a stage an optimizer, with the state of the stage before where it has one.

        State is carried if the kind of optimizer is the same and the update does not reset it. The rows are those of
        the stage before, though their tensors may be others; state of tensors that are gone, such as a converted
        latent, is dropped.
        """
        before = {name: one for name, one in self.by_name.items() if _has_shape_of(plan.tensors.get(name), one.tensor)}
        self.by_name = dict(before)
        for name, update in plan.updates.items():
            optimizer = RowOptimizer.create(plan.tensors[name], update.settings)
            if name in before and before[name].kind == update.settings.optimizer and not update.reset:
                optimizer.inherit(before[name])
            self.by_name[name] = optimizer

    def state_dict(self) -> dict:
        """Return the state of every optimizer by the name of its tensor."""
        return {name: one.state_dict() for name, one in self.by_name.items()}

    def load_state_dict(self, state: dict, tensors: dict[str, Tensor]) -> None:
        """Go on from a ``state_dict``, for the tensors by name that have the values of that moment."""
        self.by_name = {name: RowOptimizer.from_state_dict(one, tensors[name]) for name, one in state.items()}

    def take(self, index: Tensor, tensors: dict[str, Tensor]) -> None:
        """Keep the rows at ``index`` (n,), whose values are in ``tensors`` from now on; drop the state of others."""
        self.by_name = {name: one for name, one in self.by_name.items() if name in tensors}
        for name, optimizer in self.by_name.items():
            optimizer.take(index.tolist(), tensors[name])


class GradientDescent:
    """One optimizer step along the gradient, then the projection onto the constraints.

    Args:
        plan: all updates of the stage.
        optimizers: of the run.

    Attributes:
        exact: whether the objective must be the same function in all steps.
    """

    exact = False

    def __init__(self, plan: UpdatePlan, optimizers: RowOptimizers):
        self.plan, self.optimizers = plan, optimizers
        self.halved: list[int] = []

    def restart(self, rows: list[int]) -> None:
        """Drop the optimizer state of rows, and halve their steps from now on."""
        self.forget(rows)
        self.halve([*self.halved, *rows])

    def forget(self, rows: list[int]) -> None:
        """Drop the optimizer state of rows."""
        for name in self.plan.updates:
            self.optimizers.by_name[name].forget(rows)

    def halve(self, rows: list[int]) -> None:
        """Halve the steps of these rows, and of no others."""
        self.halved = rows

    def begin(self) -> None:
        """Give every updated tensor its optimizer, with the state of the stage before."""
        self.optimizers.prepare(self.plan)

    def state_dict(self) -> dict:
        """Return the state of the optimizers."""
        return self.optimizers.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Go on from a ``state_dict``, in place of ``begin``."""
        self.optimizers.load_state_dict(state, self.plan.tensors)
        self.optimizers.prepare(self.plan.resumed())

    def step(self, totals: Tensor, t: float, active: Tensor | None) -> SolverOutput:
        """Update the tensors, whose gradients are those of the objective.

        Args:
            totals: the objective of each row, (N,).
            t: part of the stage that is over, in [0, 1).
            active: rows to update, (N,) bool on the CPU; None: all.
        """
        flags = None if active is None else active.tolist()
        factors = {schedule: schedule(t) for schedule in {update.schedule for update in self.plan.updates.values()}}
        for name, update in self.plan.updates.items():
            self.optimizers.by_name[name].step(update.lr * factors[update.schedule], flags, self.halved)
        return SolverOutput(self._project(active))

    @torch.no_grad()
    def _project(self, active: Tensor | None) -> dict[str, Tensor]:
        """Project the variables onto their constraints; return the root mean square by which each row moved."""
        changes = {}
        for name, one in self.plan.constraints.items():
            value = self.plan.tensors[name]
            projected = one.constraint.project(value, one.anchor)
            if active is not None:
                mask = active.to(value.device, non_blocking=True).view(-1, *[1] * (value.ndim - 1))
                projected = torch.where(mask, projected, value)
            changes[name] = rms_change(value, projected)
            value.copy_(projected)
        return changes

    def close(self) -> None:
        """Do nothing: no thread is running."""


def _has_shape_of(tensor: Tensor | None, other: Tensor) -> bool:
    return tensor is not None and tensor.shape == other.shape


def _copy_state(state: dict) -> dict:
    return {key: value.clone() if torch.is_tensor(value) else value for key, value in state.items()}
