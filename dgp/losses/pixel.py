"""Distances between the values of phi(x) and of y."""

from __future__ import annotations

from pydantic import NonNegativeFloat

from dgp.losses.cosine import cosine_distance
from dgp.losses.terms import TERMS, Term


@TERMS.register("mse")
class Mse(Term):
    """Weighted mean of (phi(x) - y)^2 over the values of the observation, both in [-1, 1].

    floor: lower bound of each row's loss, below which no gradient flows (PULSE's ``eps``, there for pictures in
        [0, 1]: here four times as much, with a quarter of the weight).
    """

    kind: str = "mse"
    floor: NonNegativeFloat = 0.0

    def __call__(self, prediction):
        return prediction.compare(lambda predicted, y: (predicted - y).square()).clamp_min(self.floor)


@TERMS.register("l1")
class L1(Term):
    """Weighted mean of |phi(x) - y| over the values of the observation, both in [-1, 1].

    floor: as in ``mse``; twice PULSE's ``eps``, with half of the weight (ten in its code).
    """

    kind: str = "l1"
    floor: NonNegativeFloat = 0.0

    def __call__(self, prediction):
        return prediction.compare(lambda predicted, y: (predicted - y).abs()).clamp_min(self.floor)


@TERMS.register("cosine")
class Cosine(Term):
    """1 - cos(phi(x), y), where all weighted values of each, in [-1, 1], are one vector."""

    kind: str = "cosine"

    def __call__(self, prediction):
        def distance(group):
            scale = 1 if group.weight is None else group.weight.sqrt()
            return cosine_distance((group.prediction * scale).flatten(1), (group.y * scale).flatten(1), 1)

        return prediction.assemble([(group.rows, distance(group)) for group in prediction.groups])
