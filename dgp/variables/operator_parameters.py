"""Unknown parameters of a degradation as variables: chart ``phi``, one value a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from dgp.variables.parametrizations import CHARTS, Chart

if TYPE_CHECKING:
    from torch import Tensor

    from degradations import Degradation, Unknown


def variable(parameter: str) -> str:
    """The name of the variable that stands for an unknown parameter."""
    return f"phi[{parameter}]"


def is_unknown(name: str) -> bool:
    """Whether a variable stands for an unknown parameter."""
    return name.startswith("phi[")


@dataclass(frozen=True)
class Estimate:
    """Of one unknown parameter.

    value, spread: mean and standard deviation, in the parameter's own unit.
    source: "file" (what the file itself tells) or "pixels".
    """

    value: float
    spread: float
    source: str = "pixels"


@dataclass(frozen=True)
class Guess:
    """Where a variable is expected: a position in the range, from 0 to 1, and its standard deviation."""

    position: float = 0.5
    spread: float = 0.0

    @classmethod
    def of(cls, estimate: Estimate, unknown: Unknown) -> Guess:
        low, high = (max(unknown.low, min(unknown.high, estimate.value + s * estimate.spread)) for s in (-1, 1))
        value = max(unknown.low, min(unknown.high, estimate.value))
        spread = (unknown.position(high) - unknown.position(low)) / 2
        return cls(unknown.position(value), spread)


@CHARTS.register("phi")
class Phi(Chart):
    """A position between the least and the greatest value that an unknown parameter may have: 0 to 1, on the
    parameter's own scale. It enters the degradation, not the generator."""

    kind: str = "phi"
    accompanies: ClassVar[bool] = True

    def stands_for(self, name):
        return False

    def provides(self, name, info):
        return (name,)

    def begin(self, name, drawn, count, prior, random):
        return drawn  # where it begins, the picture tells: ``guesses``

    def latents(self, name, values, prior):
        return {}


def guesses(expected: Mapping[str, Guess], count: int, random: torch.Generator) -> dict[str, Tensor]:
    """Positions (count, 1) by variable: the first row where they are expected, the others around it."""
    drawn = {}
    for name, guess in expected.items():
        aside = torch.randn(count, 1, generator=random) * guess.spread
        aside[0] = 0
        drawn[name] = (guess.position + aside).clamp(0, 1)
    return drawn


def known(operator: Degradation, values: Mapping[str, Tensor]) -> Degradation:
    """The operator with the values of its unknown parameters, one a row.

    values: positions (N, 1) by variable; others are ignored.
    """
    unknowns = operator.unknowns()
    if not unknowns:
        return operator
    return operator.bind({name: unknown.value(values[variable(name)][:, 0]) for name, unknown in unknowns.items()})
