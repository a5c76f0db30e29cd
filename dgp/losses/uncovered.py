"""The part of the object that the generator's picture does not reach."""

from __future__ import annotations

from typing import Literal

from dgp.losses.prediction import mean_per_row
from dgp.losses.terms import TERMS, VariableTerm


@TERMS.register("uncovered")
class Uncovered(VariableTerm):
    """Share of the object outside the square of a transformed picture, in [0, 1].

    The object is what the observation's weight marks; without a weight, the whole frame. The observation itself fills
    that part, so that no other term has an error there.
    """

    kind: str = "uncovered"
    on: Literal["warp"] = "warp"

    def __call__(self, prediction):
        batch, pictures = prediction.batch, prediction.pictures
        weight = batch.pixel_weight[batch.to_device(pictures)]
        transform = prediction.renderer.parametrizations[self.on]
        covered = transform.coverage(prediction.values[self.on], batch, pictures)
        return mean_per_row(weight * (1 - covered)) / mean_per_row(weight)
