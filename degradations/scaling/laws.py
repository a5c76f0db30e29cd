"""Laws by which values change when a picture is shrunk by Pillow's antialiased bilinear filter.

Each is a function of the value, a number or a tensor, and of the factor of the picture's sides, in (0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import numpy as np
from torch import Tensor

Number = TypeVar("Number", float, Tensor)
Law = Callable[[Number, float], Number]

PHASES = 64  # output pixels over which the gain is averaged, as each lies elsewhere between two input pixels


@lru_cache(maxsize=256)
def compute_noise_gain(factor: float) -> float:
    """Return the standard deviation of white noise of deviation 1 after the picture was shrunk.

    The filter's weights along a line are those of a triangle of half-width 1 / factor, normalised; the variance is the
    sum of their squares for each axis, averaged over output pixels. It is 1 at factor 1, 0.3125 at a half, and about
    2/3 factor for small factors.

    Args:
        factor: of the sides, in (0, 1].
    """
    if factor == 1:
        return 1.0
    reach = math.ceil(1 / factor) + 1
    centres = (np.arange(PHASES) + 0.5) / factor - 0.5
    shifts = centres - np.round(centres)
    weights = np.clip(1 - np.abs(np.arange(-reach, reach + 1) - shifts[:, None]) * factor, 0, None)
    weights /= weights.sum(1, keepdims=True)
    return float((weights**2).sum(1).mean())


def constant(value: Number, factor: float) -> Number:
    """Leave a value that does not depend on the scale: a tone, an angle, a share of a side."""
    return value


def length(value: Number, factor: float) -> Number:
    """Shrink a length in pixels as the picture shrinks."""
    return value * factor


def deviation(value: Number, factor: float) -> Number:
    """Reduce the standard deviation of noise that is independent from pixel to pixel."""
    return value * compute_noise_gain(factor)


def count(value: Number, factor: float) -> Number:
    """Raise a number of photons for each pixel: the averaged noise is that of more photons."""
    return value / compute_noise_gain(factor) ** 2
