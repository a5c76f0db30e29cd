"""A parameter that is to be estimated with the picture: where it may lie, and on which scale it is searched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|-?\.\d+)"
RANGE = NUMBER + r"\.\." + NUMBER
Number = TypeVar("Number", float, Tensor)


@dataclass(frozen=True)
class Unknown:
    """A value between ``low`` and ``high``. Its position is 0 at the one and 1 at the other.

    name: of the parameter.  transform: "linear", or "log": equal steps of the position are equal ratios.
    asked: as it stands in a spec: "auto", or "0.5..4".
    """

    name: str
    low: float
    high: float
    transform: str
    asked: str

    def value(self, position: Number) -> Number:
        """At a position, a number or a tensor of any shape; differentiable."""
        if self.transform == "log":
            ratio = math.log(self.high / self.low)
            return self.low * ((position * ratio).exp() if isinstance(position, Tensor) else math.exp(position * ratio))
        return self.low + (self.high - self.low) * position

    def position(self, value: Number) -> Number:
        """Of a value; the inverse of ``value``."""
        if self.transform == "log":
            ratio = value / self.low
            return (ratio.log() if isinstance(ratio, Tensor) else math.log(ratio)) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    @property
    def middle(self) -> float:
        return self.value(0.5)
