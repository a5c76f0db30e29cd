"""How far a picture is from what was observed, by the noise that the degradation states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from degradations import NoiseModel
from dgp.losses.terms import TERMS, Term, per_row

if TYPE_CHECKING:
    from torch import Tensor

    from dgp.losses.prediction import Part


@TERMS.register("data")
class Data(Term):
    """What the last noise model of a degradation makes of ``phi(x)`` and ``y`` (``NoiseModel.distance``), on the scale
    of a mean squared difference in [-1, 1]; where none is stated, or it does not say, ``mse``. As it is weighted."""

    kind: str = "data"

    def __call__(self, view):
        return view.join([(part.rows, distance(part)) for part in view.parts])


def distance(part: Part) -> Tensor:
    """(n,), of the rows of a part."""
    noise = NoiseModel() if part.operator.noise is None else part.operator.noise
    if part.weight is None:
        return noise.distance(part.prediction, part.y)
    return per_row(noise.differences(part.prediction, part.y) * part.weight)
