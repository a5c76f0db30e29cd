"""The same observation of a coarser picture, for stages that look at less than the prior's own resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch.nn.functional as F

from dgp.observation.observation import Observation


def coarsen(observation: Observation, side: int) -> Observation | None:
    """Return the observation of pictures of ``side`` pixels, each the average of a square of pixels of x.

    y keeps its size where the operator still makes one of that size (``sr:8`` of a picture half as large is ``sr:4``),
    else it is averaged, too. Random streams are those of the whole observation.

    Args:
        observation: at the prior's own resolution R.
        side: less than R, which is a multiple of it.

    Returns:
        None where averages would lack more than detail of what y tells (``Degradation.coarsened``).
    """
    own = observation.geometry.resolution
    operator = observation.degradation.coarsened((own, own), side / own)
    if operator is None:
        return None
    size = tuple(operator.size((side, side)))
    weight = observation.weight
    return replace(
        observation,
        y=operator.set_known_values(F.adaptive_avg_pool2d(observation.y, size)),
        degradation=operator,
        geometry=replace(observation.geometry, resolution=side),
        weight=None if weight is None else F.adaptive_avg_pool2d(weight, size),
    )


def choose_side(observation: Observation, resolution: int, sides: Sequence[int]) -> int:
    """Return the smallest side, at least ``resolution``, at which an observation can be looked at.

    Args:
        observation: at the prior's own resolution.
        resolution: the wanted side in pixels.
        sides: of the pictures that the prior can draw, from coarse to fine; the last is its own.
    """
    coarse = (side for side in sides[:-1] if side >= resolution and coarsen(observation, side) is not None)
    return next(coarse, sides[-1])
