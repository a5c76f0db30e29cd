"""Coordinates in which a variable starts at N(0, I), as optimizers of R^d expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.engine.initial_rows import RowSource
from dgp.variables.parametrizations import Direct, Parametrization, default_parametrization
from generators import Prior


@dataclass(frozen=True)
class Coordinates:
    """value = centre + spread * point; centre and spread have the shape of one value."""

    centre: Tensor
    spread: Tensor

    def to_values(self, points: Tensor) -> Tensor:
        """Return values (n, ...), in the variable's dtype, of points (n, d)."""
        return self.centre + self.spread * points.to(self.centre).unflatten(1, self.centre.shape)

    def to_points(self, values: Tensor) -> Tensor:
        """Return points (n, d) of values (n, ...)."""
        return ((values.detach() - self.centre) / self.spread).flatten(1)


def choose_coordinates(
    source: RowSource, name: str, drawn: Tensor, *, around: Tensor | None, std: float
) -> Coordinates:
    """Return the coordinates of a variable.

    Args:
        source: the prior and the parametrizations.
        name: the variable.
        drawn: starts of the variable, (n, ...).
        around: value at the origin; the middle of all starts if absent.
        std: factor on the deviation that the variable has among starts: of w and w+ that of the mapped latents; 1 of
            what starts standard normal, and of what starts everywhere alike, as a transform does.
    """
    parametrization = source.parametrizations.get(name, default_parametrization(name))
    centre, deviation = torch.zeros_like(drawn[0]), torch.ones_like(drawn[0])
    if name in ("w", "w+") and isinstance(parametrization, Direct):
        statistics = source.prior.statistics
        centre, deviation = centre + statistics.mean.to(centre), deviation * statistics.std.to(centre)
    elif (drawn == drawn[:1]).all():
        centre = drawn[0]
    return Coordinates((centre if around is None else around).clone(), std * deviation)


@torch.no_grad()
def count_dimensions(name: str, prior: Prior, parametrizations: Mapping[str, Parametrization]) -> int:
    """Return how many numbers a variable has."""
    random = torch.Generator().manual_seed(0)
    drawn = prior.generator.sample(1, generator=random)
    parametrization = parametrizations.get(name, default_parametrization(name))
    return parametrization.initialize(name, drawn, count=1, prior=prior, random=random)[name].numel()
