"""Gradients that are written by hand and cannot be differentiated again."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch.autograd.function import once_differentiable as torch_once_differentiable


def once_differentiable(backward: Callable) -> Callable:
    """Decorate ``Function.backward`` so that it raises where its result would be differentiated again.

    torch's own decorator of this name does not raise for ``torch.autograd.grad(..., inputs)``, and gives wrong second
    derivatives there.

    Raises:
        RuntimeError: the gradient was computed with ``create_graph=True``.
    """
    guarded = torch_once_differentiable(backward)

    @functools.wraps(backward)
    def raise_if_recorded(ctx, *gradients):
        # torch.func.grad always records a graph, so that its second derivatives cannot be recognised here.
        if torch.is_grad_enabled() and not torch._C._are_functorch_transforms_active():
            raise RuntimeError(
                "got create_graph=True, but this network's gradients cannot be differentiated again; "
                "take finite differences of its gradients"
            )
        return guarded(ctx, *gradients)

    return raise_if_recorded
