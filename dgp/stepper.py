"""Optimisers whose state belongs to rows: created when first needed, carried from stage to stage, cut with the rows."""

from __future__ import annotations

import torch
from torch import Tensor

from dgp.curves import CURVES
from dgp.recipe import Move, Release


def optimizer_for(tensors: list[Tensor], how: Move | Release) -> torch.optim.Optimizer:
    """Elementwise optimisers only: each row's step depends on that row alone."""
    if how.optimizer == "sgd":
        return torch.optim.SGD(tensors, lr=0.0, momentum=how.momentum)
    return torch.optim.Adam(tensors, lr=0.0, betas=how.betas, fused=True)


class Stepper:
    """One optimiser for each moving tensor, by name, with the learning rate that the stage gives it."""

    def __init__(self):
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.rates: dict[str, tuple[float, str]] = {}

    def plan(self, rates: dict[str, tuple[float, str, Move | Release]], tensors: dict[str, Tensor]) -> None:
        """Sets what moves from now on: name -> (learning rate, curve, how). A rate of 0 gathers moments only."""
        self.rates = {name: (lr, curve) for name, (lr, curve, _) in rates.items()}
        for name, (_, _, how) in rates.items():
            if name not in self.optimizers:
                self.optimizers[name] = optimizer_for([tensors[name]], how)

    def step(self, passed: float) -> None:
        """One step of all that moves; ``passed`` in [0, 1) is the part of the stage that is over."""
        for name, (lr, curve) in self.rates.items():
            optimizer = self.optimizers[name]
            optimizer.param_groups[0]["lr"] = lr * CURVES[curve](passed)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def take(self, index: Tensor, tensors: dict[str, Tensor]) -> None:
        """Follows the rows at ``index``, whose tensors now are ``tensors``."""
        for name, optimizer in self.optimizers.items():
            (old,), new = optimizer.param_groups[0]["params"], tensors[name]
            state = optimizer.state.pop(old, None)
            optimizer.param_groups[0]["params"] = [new]
            if state:
                optimizer.state[new] = {
                    k: v[index].clone() if torch.is_tensor(v) and v.shape == old.shape else v for k, v in state.items()
                }
