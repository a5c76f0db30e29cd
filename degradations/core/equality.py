"""Whether two things of Python are equal in all that they hold. In doubt they are not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def alike(a: Any, b: Any, but: Collection[str] = ()) -> bool:
    """Same type and equal contents, down to the tensors.

    Args:
        but: attributes of modules that do not count.
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
        ours, theirs = ({k: v for k, v in vars(one).items() if k not in but} for one in (a, b))
        return alike(ours, theirs, but)
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(alike(a[key], b[key], but) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(alike(x, y, but) for x, y in zip(a, b, strict=True))
    if type(a).__new__ is object.__new__:  # a class written in Python, whose state can be seen
        return alike(a.__getstate__(), b.__getstate__(), but)
    return (a == b) is True  # numbers, text, fractions; functions and handles equal only themselves
