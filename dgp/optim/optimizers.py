"""Optimizers over lists of tensors, each tensor one row of a variable, so that all state belongs to a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Settings(Protocol):
    """The settings that a recipe gives an optimizer."""

    optimizer: str
    betas: tuple[float, float]
    momentum: float


@dataclass(frozen=True)
class DefaultSettings:
    """The settings of an optimizer that only hands on its state."""

    optimizer: str
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0


class NormalizedDescent(torch.optim.Optimizer):
    """v <- v - lr * g / ||g|| for every vector along the last axis (Poirier-Ginter and Lalonde 2023, section 3.2).

    A vector whose gradient is zero stays.
    """

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
    "adam": lambda rows, settings: torch.optim.Adam(rows, lr=0.0, betas=settings.betas, fused=True),
    "adamax": lambda rows, settings: torch.optim.Adamax(rows, lr=0.0, betas=settings.betas),
    "sgd": lambda rows, settings: torch.optim.SGD(rows, lr=0.0, momentum=settings.momentum),
    "normalized": lambda rows, settings: NormalizedDescent(rows),
}
# The setting that each optimizer reads.
SETTING_OF = {"adam": "betas", "adamax": "betas", "sgd": "momentum", "normalized": None}
