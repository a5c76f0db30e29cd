"""Schedules: factors on a learning rate or on a jitter over a stage, as functions of t in [0, 1).

Step i of a stage of S steps has t = i / S.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def constant(t: float) -> float:
    return 1.0


def cosine(t: float) -> float:
    return (1 + math.cos(math.pi * t)) / 2


def linear(t: float) -> float:
    return 1.0 - t


def one_cycle(t: float) -> float:
    """A triangle from 0.1 to 1 at half time and back (PULSE, ``linear1cycle``)."""
    return 1.0 - 0.9 * abs(t - 0.5) / 0.5


def one_cycle_drop(t: float) -> float:
    """A triangle from 0.1 to 1 and back over nine tenths, then down to 0.001 (PULSE, ``linear1cycledrop``)."""
    return 1.0 - 0.9 * abs(t - 0.45) / 0.45 if t <= 0.9 else 0.1 - 0.099 * (t - 0.9) / 0.1


def _ramp(t: float, down: float) -> float:
    """Rise linearly over the first 5 %, fall along half a cosine over the last part ``down``."""
    return cosine(1 - min(1.0, (1 - t) / down)) * min(1.0, t / 0.05)


def ramp(t: float) -> float:
    """Up over the first 5 %, down over the last 25 % (Karras et al. 2020, appendix D). The first step has rate 0."""
    return _ramp(t, 0.25)


def long_ramp(t: float) -> float:
    """Up over the first 5 %, down over the last 75 % (ILO). The first step has rate 0."""
    return _ramp(t, 0.75)


def fading(t: float) -> float:
    """From 1 to 0 at three quarters, squared (the jitter of w of Karras et al. 2020, appendix D)."""
    return max(0.0, 1 - t / 0.75) ** 2


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
    "one-cycle": one_cycle,
    "one-cycle-drop": one_cycle_drop,
    "ramp": ramp,
    "long-ramp": long_ramp,
    "fading": fading,
}
