"""Gradients that are written by hand, and have no derivative of their own."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable


def once(backward: Callable) -> Callable:
    """Decorator of ``Function.backward``: asked for a gradient that shall be differentiated again, it raises.

    ``once_differentiable`` alone lets ``torch.autograd.grad(..., inputs)`` pass its error by, and gives wrong second
    derivatives. Raises RuntimeError.
    """
    guarded = once_differentiable(backward)

    @functools.wraps(backward)
    def checked(ctx, *gradients):
        # torch.func.grad always records; its own second derivatives are not told apart here.
        if torch.is_grad_enabled() and not torch._C._are_functorch_transforms_active():
            raise RuntimeError(
                "got create_graph=True, but this network's gradients cannot be differentiated again; "
                "take finite differences of its gradients"
            )
        return guarded(ctx, *gradients)

    return checked
