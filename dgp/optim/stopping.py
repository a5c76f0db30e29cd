"""When a row of a stage is done before the stage's steps are over.

Asked at every step about what that step saw, before it moves anything: a row that stops is what was seen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from dgp.registry import Frozen, Kinds

if TYPE_CHECKING:
    from degradations import Degradation
    from dgp.losses.prediction import Part, View

STOPS = Kinds("stop", "dgp.optim.stopping")


@dataclass(frozen=True)
class Past:
    """What a stage of N rows has seen so far, the present step included.

    totals (T, N): the objective, step after step.
    losses: the terms at this step by name, each (N,).
    residual (N,): mean squared difference of phi(x) and y over what was observed; None unless a stop ``measures``.
    floor (N,): what noise alone makes of it on average, NaN where the degradation states none; None as above.
    evaluations: network passes that this stage has spent on each row (a forward and backward pass counts 3).
    """

    totals: Tensor
    losses: dict[str, Tensor]
    residual: Tensor | None = None
    floor: Tensor | None = None
    evaluations: int = 0


@torch.no_grad()
def residual_and_floor(view: View) -> tuple[Tensor, Tensor]:
    """See ``Past``, both (N,)."""
    residuals = [(part.rows, _residual(part)) for part in view.parts]
    return view.join(residuals), view.join([(part.rows, _floor(part)) for part in view.parts])


def _residual(part: Part) -> Tensor:
    counts = torch.ones_like(part.y) if part.weight is None else part.weight.expand_as(part.y)
    if part.missing is not None:
        counts = counts * ~part.missing
    squares = (part.prediction - part.y).square() * counts
    return squares.flatten(1).sum(1) / counts.flatten(1).sum(1)


def _floor(part: Part) -> Tensor:
    noise = part.operator.noise
    stated = None if noise is None else noise.mean_square(part.prediction)
    return part.prediction.new_full((len(part.rows),), torch.nan) if stated is None else stated


class Stop(Frozen):
    """One reason to stop; a stage that has several stops at the first.

    measures: whether ``reached`` looks at the residual and its floor.
    """

    kind: str
    measures: ClassVar[bool] = False

    def fault(self, losses: Collection[str]) -> str | None:
        """What is wrong with this stop in a stage whose terms have these names, in one line, or None."""
        return None

    def idle(self, operators: Sequence[Degradation]) -> bool:
        """Whether no row that is seen through one of these is ever stopped, so that nothing need be measured."""
        return False

    def reached(self, past: Past) -> Tensor:
        """(N,) bool, each row on its own."""
        raise NotImplementedError


@STOPS.register("plateau")
class Plateau(Stop):
    """The best objective of the last ``patience`` steps is not lower than the best before them by the fraction
    ``improvement`` of it."""

    kind: str = "plateau"
    patience: PositiveInt = 20
    improvement: PositiveFloat = 1e-3

    def reached(self, past):
        if len(past.totals) <= self.patience:
            return torch.zeros_like(past.totals[-1], dtype=torch.bool)
        before, lately = past.totals[: -self.patience].amin(0), past.totals[-self.patience :].amin(0)
        return before - lately < self.improvement * before.abs()


@STOPS.register("below")
class Below(Stop):
    """A term, unweighted, is at or below a threshold."""

    kind: str = "below"
    term: str
    threshold: float

    def fault(self, losses):
        if self.term in losses:
            return None
        return f"got a stop below {self.term!r}, expected one of the stage's terms: {', '.join(sorted(losses))}"

    def reached(self, past):
        return past.losses[self.term] <= self.threshold


@STOPS.register("noise-floor")
class NoiseFloor(Stop):
    """The discrepancy principle (Morozov 1966): what is left unexplained is no more than the noise makes, so that any
    further step would explain noise. Rows whose degradation states no noise go on; rounding to 8 bits is none."""

    kind: str = "noise-floor"
    factor: PositiveFloat = 1.0
    measures: ClassVar = True

    def idle(self, operators):
        return all(operator.noise is None for operator in operators)

    def reached(self, past):
        return past.residual <= self.factor * past.floor


@STOPS.register("budget")
class Budget(Stop):
    """The stage has spent so many network passes on each row (a forward and backward pass counts 3)."""

    kind: str = "budget"
    evaluations: PositiveInt

    def reached(self, past):
        return torch.full_like(past.totals[-1], past.evaluations >= self.evaluations, dtype=torch.bool)
