"""Fixed numbers as tensors, created once for each device, since every transfer waits for the device."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def constant(values: tuple, like: Tensor) -> Tensor:
    """Return a cached tensor of fixed numbers, which must not be changed in place.

    Args:
        values: nested tuples of numbers.
        like: the dtype and device to use.
    """
    return _constant(values, like.dtype, like.device)


@functools.lru_cache(maxsize=256)
def _constant(values: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # a tensor created in inference mode could not take part in autograd later
        return torch.tensor(values, dtype=dtype, device=device)
