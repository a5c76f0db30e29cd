"""Optimisers whose state belongs to rows: created when first needed, carried from stage to stage, cut with the rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.optim.optimizers import OPTIMIZERS
from dgp.optim.schedules import CURVES
from dgp.recipes.recipe import Move, Release


@dataclass
class Mover:
    """An optimiser of one tensor (N, ...). To the optimiser each row is a tensor by itself, a view of this one: its
    moments and its count of steps are its own, and a row without a gradient is left in peace."""

    tensor: Tensor
    kind: str
    optimizer: torch.optim.Optimizer
    lr: float = 0.0
    curve: str = "constant"

    @classmethod
    def of(cls, tensor: Tensor, how: Move | Release) -> Mover:
        return cls(tensor, how.optimizer, OPTIMIZERS[how.optimizer](list(tensor.detach().unbind()), how))

    @property
    def rows(self) -> list[Tensor]:
        return self.optimizer.param_groups[0]["params"]

    def serves(self, tensor: Tensor | None) -> bool:
        """Whether these rows can be the rows of ``tensor``."""
        return tensor is not None and tensor.shape == self.tensor.shape

    def inherit(self, other: Mover) -> None:
        """Takes over what another optimiser of the same rows has gathered."""
        for mine, theirs in zip(self.rows, other.rows, strict=True):
            if theirs in other.optimizer.state:
                self.optimizer.state[mine] = other.optimizer.state.pop(theirs)

    def take(self, index: list[int], tensor: Tensor) -> None:
        """Follows the rows at ``index``, which are ``tensor`` from now on."""
        old, state = self.rows, self.optimizer.state
        rows = list(tensor.detach().unbind())
        gathered = {row: _copied(state[old[i]]) for row, i in zip(rows, index, strict=True) if old[i] in state}
        state.clear()
        state.update(gathered)
        self.optimizer.param_groups[0]["params"], self.tensor = rows, tensor

    def step(self, passed: float, moving: list[bool] | None) -> None:
        if self.tensor.grad is None:
            return
        for i, (row, gradient) in enumerate(zip(self.rows, self.tensor.grad.unbind(), strict=True)):
            row.grad = gradient if moving is None or moving[i] else None
        self.optimizer.param_groups[0]["lr"] = self.lr * CURVES[self.curve](passed)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.tensor.grad = None


class Stepper:
    """One optimiser for each tensor that has ever moved, by name."""

    def __init__(self):
        self.movers: dict[str, Mover] = {}
        self.planned: tuple[str, ...] = ()

    def plan(self, rates: dict[str, tuple[float, str, Move | Release]], tensors: dict[str, Tensor]) -> None:
        """Sets what moves from now on: name -> (learning rate, curve, how). A rate of 0 gathers moments only.

        What an optimiser has gathered is carried on, unless it is to be reset or its kind changes. The rows are those
        of before, though their tensors may be others; what is no longer there (a converted latent) is forgotten.
        """
        self.movers = {name: mover for name, mover in self.movers.items() if mover.serves(tensors.get(name))}
        for name, (lr, curve, how) in rates.items():
            mover, before = Mover.of(tensors[name], how), self.movers.get(name)
            if before and before.kind == how.optimizer and getattr(how, "state", "carry") == "carry":
                mover.inherit(before)
            mover.lr, mover.curve = lr, curve
            self.movers[name] = mover
        self.planned = tuple(rates)

    def step(self, passed: float, moving: Tensor | None = None) -> None:
        """One step of all that moves.

        passed: in [0, 1), the part of the stage that is over.  moving: (N,) bool, the rows that take part; None: all.
        """
        flags = None if moving is None else moving.tolist()
        for name in self.planned:
            self.movers[name].step(passed, flags)

    def take(self, index: Tensor, tensors: dict[str, Tensor]) -> None:
        """Follows the rows at ``index``, whose tensors now are ``tensors``; what is no longer there is forgotten."""
        self.movers = {name: mover for name, mover in self.movers.items() if name in tensors}
        for name, mover in self.movers.items():
            mover.take(index.tolist(), tensors[name])


def _copied(state: dict) -> dict:
    return {key: value.clone() if torch.is_tensor(value) else value for key, value in state.items()}
