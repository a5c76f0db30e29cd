"""Stopping rules: when a row ends before the steps of its stage are over.

A stage applies its rules to the evaluation of every step, before the step updates anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from degradations import Degradation
from dgp.registry import Options, Registry

STOPPING_RULES = Registry(
    "stop",
    "dgp.stops",
    dict.fromkeys(("plateau", "below", "noise-floor", "budget"), "dgp.optim.stopping"),
)


@dataclass(frozen=True)
class History:
    """Evaluations of a stage of N rows so far, the present step included.

    Attributes:
        totals: the objective of each step, (T, N).
        losses: the terms of this step by name, each (N,).
        residual: mean of (phi(x) - y)^2 over what was observed, (N,); None unless a rule ``measures``.
        noise_floor: expected mean square of the noise, (N,), NaN where the degradation states none; None as above.
        evaluations: network passes that this stage has spent on each row (a forward and backward pass counts 3).
    """

    totals: Tensor
    losses: dict[str, Tensor]
    residual: Tensor | None = None
    noise_floor: Tensor | None = None
    evaluations: int = 0


class StoppingRule(Options):
    """One reason to stop; a row of a stage with several rules stops at the first.

    Attributes:
        measures: whether ``reached`` reads the residual and the noise floor.
    """

    kind: str
    measures: ClassVar[bool] = False

    def find_fault(self, losses: Collection[str]) -> str | None:
        """Return what is wrong with the rule in a stage whose terms have these names, in one line, or None."""
        return None

    def rename_terms(self, names: Mapping[str, str]) -> StoppingRule:
        """Return the same rule for a stage whose losses got other names, by the names that rules gave them before."""
        return self

    def applies_to(self, operators: Sequence[Degradation]) -> bool:
        """Return whether rows under any of these operators may stop, so that something has to be measured."""
        return True

    def reached(self, history: History) -> Tensor:
        """Return which rows stop, (N,) bool, each row by itself."""
        raise NotImplementedError


@STOPPING_RULES.register("plateau")
class Plateau(StoppingRule):
    """The best objective of the last ``patience`` steps is not lower than the best before by ``improvement`` of it."""

    kind: str = "plateau"
    patience: PositiveInt = 20
    improvement: PositiveFloat = 1e-3

    def reached(self, history):
        if len(history.totals) <= self.patience:
            return torch.zeros_like(history.totals[-1], dtype=torch.bool)
        before, lately = history.totals[: -self.patience].amin(0), history.totals[-self.patience :].amin(0)
        return before - lately < self.improvement * before.abs()


@STOPPING_RULES.register("below")
class Below(StoppingRule):
    """A term, unweighted, is at or below a threshold.

    term: the name of its loss, or its kind.
    """

    kind: str = "below"
    term: str
    threshold: float

    def find_fault(self, losses):
        if self.term in losses:
            return None
        return f"got a stop below {self.term!r}, expected one of the stage's terms: {', '.join(sorted(losses))}"

    def rename_terms(self, names):
        return self.model_copy(update={"term": names.get(self.term, self.term)})

    def reached(self, history):
        return history.losses[self.term] <= self.threshold


@STOPPING_RULES.register("noise-floor")
class NoiseFloor(StoppingRule):
    """mean (phi(x) - y)^2 <= factor * mean n^2: the discrepancy principle (Morozov 1966).

    Further steps would explain noise. Rows whose degradation states no noise go on; rounding to 8 bits does not count
    as noise.
    """

    kind: str = "noise-floor"
    factor: PositiveFloat = 1.0
    measures: ClassVar = True

    def applies_to(self, operators):
        return any(operator.noise is not None for operator in operators)

    def reached(self, history):
        return history.residual <= self.factor * history.noise_floor


@STOPPING_RULES.register("budget")
class Budget(StoppingRule):
    """The stage has spent so many network passes on each row (a forward and backward pass counts 3)."""

    kind: str = "budget"
    evaluations: PositiveInt

    def reached(self, history):
        return torch.full_like(history.totals[-1], history.evaluations >= self.evaluations, dtype=torch.bool)
