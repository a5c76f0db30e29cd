"""Comparison of Python objects by everything they contain; objects that cannot be compared count as different."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def are_equal(a: Any, b: Any, ignore: Collection[str] = ()) -> bool:
    """Return whether two objects have the same type and equal contents, down to the tensors.

    Args:
        a, b: any objects.
        ignore: attributes of modules that do not count.
    """
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, nn.Module):
        ours, theirs = ({k: v for k, v in vars(one).items() if k not in ignore} for one in (a, b))
        return are_equal(ours, theirs, ignore)
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(are_equal(a[key], b[key], ignore) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(are_equal(x, y, ignore) for x, y in zip(a, b, strict=True))
    if type(a).__new__ is object.__new__:  # a class written in Python, whose state is accessible
        return are_equal(a.__getstate__(), b.__getstate__(), ignore)
    return (a == b) is True  # numbers, text, fractions; functions and handles are equal only to themselves
