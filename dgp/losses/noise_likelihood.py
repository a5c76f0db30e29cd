"""The distance between prediction and observation that the degradation's noise model states."""

from __future__ import annotations

from torch import Tensor

from degradations import NoiseModel
from dgp.losses.prediction import OperatorGroup, mean_per_row
from dgp.losses.terms import TERMS, Term


@TERMS.register("data")
class NoiseLikelihood(Term):
    """Distance of phi(x) and y under the last noise model of the degradation (``NoiseModel.distance``).

    On the scale of a mean squared difference in [-1, 1], and weighted as the observation is; ``mse`` where no noise is
    stated.
    """

    kind: str = "data"

    def __call__(self, prediction):
        return prediction.assemble([(group.rows, distance(group)) for group in prediction.groups])


def distance(group: OperatorGroup) -> Tensor:
    """Return the distance of each row of a group, (n,)."""
    noise = NoiseModel() if group.operator.noise is None else group.operator.noise
    if group.weight is None:
        return noise.distance(group.prediction, group.y)
    return mean_per_row(noise.differences(group.prediction, group.y) * group.weight)
