"""Fixed numbers as tensors, made once for each device: to make them anew in every call would wait for the device."""

from __future__ import annotations

import functools

import torch
from torch import Tensor


def constant(values: tuple, like: Tensor) -> Tensor:
    """``values`` (nested tuples of numbers) in the precision and on the device of ``like``; not to be written into."""
    return _constant(values, like.dtype, like.device)


@functools.lru_cache(maxsize=256)
def _constant(values: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # one that is made there could not be differentiated with later
        return torch.tensor(values, dtype=dtype, device=device)
