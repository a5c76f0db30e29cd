"""A variable in coordinates in which it begins at N(0, I): what optimisers of R^d vary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dgp.variables.parametrizations import Chart, Direct, default_chart

if TYPE_CHECKING:
    from dgp.engine.evaluator import Problem
    from generators import Prior


@dataclass(frozen=True)
class Coordinates:
    """value = centre + spread * point.  centre, spread: of the shape of one value."""

    centre: Tensor
    spread: Tensor

    def values(self, points: Tensor) -> Tensor:
        """(n, d) -> (n, ...), of the variable's own kind."""
        return self.centre + self.spread * points.to(self.centre).unflatten(1, self.centre.shape)

    def points(self, values: Tensor) -> Tensor:
        """The inverse: (n, ...) -> (n, d)."""
        return ((values.detach() - self.centre) / self.spread).flatten(1)


def coordinates(problem: Problem, name: str, drawn: Tensor, around: Tensor | None, std: float) -> Coordinates:
    """Of the variable ``name``, of which ``drawn`` (n, ...) are starts.

    around: the value at which the search is centred, the middle of all starts if absent.  std: factor on the deviation
    that the variable has among starts: of w and w+ that of the mapped latents; 1 of what begins standard normal; and
    1 of what begins everywhere alike, as a transform does, whose ``std`` then is its own unit.
    """
    chart = problem.charts.get(name, default_chart(name))
    centre, deviation = torch.zeros_like(drawn[0]), torch.ones_like(drawn[0])
    if name in ("w", "w+") and isinstance(chart, Direct):
        statistics = problem.prior.statistics
        centre, deviation = centre + statistics.mean.to(centre), deviation * statistics.std.to(centre)
    elif (drawn == drawn[:1]).all():
        centre = drawn[0]
    return Coordinates((centre if around is None else around).clone(), std * deviation)


@torch.no_grad()
def dimension(name: str, prior: Prior, charts: Mapping[str, Chart]) -> int:
    """How many numbers the variable ``name`` has."""
    random = torch.Generator().manual_seed(0)
    drawn = prior.generator.sample(1, generator=random)
    return charts.get(name, default_chart(name)).begin(name, drawn, 1, prior, random)[name].numel()
