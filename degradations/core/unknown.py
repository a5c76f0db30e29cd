"""A parameter that is estimated together with the picture: its range and the scale of its search."""

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
    """A parameter value to be estimated, known to lie between ``low`` and ``high``.

    Searches use its position, which is 0 at ``low`` and 1 at ``high``.

    Args:
        name: of the parameter.
        low: lowest value.
        high: highest value.
        transform: "linear", or "log", for which equal steps of the position are equal ratios of the value.
        asked: the text in the spec: "auto", or a range such as "0.5..4".
    """

    name: str
    low: float
    high: float
    transform: str
    asked: str

    def value(self, position: Number) -> Number:
        """Return the value at a position, for a number or a tensor of any shape; differentiable."""
        if self.transform == "log":
            ratio = math.log(self.high / self.low)
            return self.low * ((position * ratio).exp() if isinstance(position, Tensor) else math.exp(position * ratio))
        return self.low + (self.high - self.low) * position

    def position(self, value: Number) -> Number:
        """Return the position of a value; the inverse of ``value``."""
        if self.transform == "log":
            ratio = value / self.low
            return (ratio.log() if isinstance(ratio, Tensor) else math.log(ratio)) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    @property
    def middle(self) -> float:
        """The value at position 0.5."""
        return self.value(0.5)
