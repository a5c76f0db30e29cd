"""What turns gradients into moves. Each is given the rows of a variable as tensors of their own, so that whatever it
remembers belongs to a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor


class Settings(Protocol):
    """What an optimiser may be told."""

    betas: tuple[float, float]
    momentum: float


class NormalizedDescent(torch.optim.Optimizer):
    """Every vector along the last axis moves by exactly the learning rate, against its own gradient (Poirier-Ginter
    and Lalonde 2023, section 3.2). One whose gradient is zero stays."""

    def __init__(self, tensors: list[Tensor]):
        super().__init__(tensors, {"lr": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for tensor in group["params"]:
                if tensor.grad is None:
                    continue
                length = tensor.grad.norm(dim=-1, keepdim=True)
                tensor.sub_(torch.where(length == 0, 0.0, group["lr"] * tensor.grad / length))


OPTIMIZERS: dict[str, Callable[[list[Tensor], Settings], torch.optim.Optimizer]] = {
    "adam": lambda rows, how: torch.optim.Adam(rows, lr=0.0, betas=how.betas, fused=True),
    "adamax": lambda rows, how: torch.optim.Adamax(rows, lr=0.0, betas=how.betas),
    "sgd": lambda rows, how: torch.optim.SGD(rows, lr=0.0, momentum=how.momentum),
    "normalized": lambda rows, how: NormalizedDescent(rows),
}
# The setting that each of them looks at.
TAKES = {"adam": "betas", "adamax": "betas", "sgd": "momentum", "normalized": None}
