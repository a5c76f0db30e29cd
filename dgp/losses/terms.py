"""Weighted losses. Each looks at a View of some rows and returns one value a row.

Third parties add kinds by ``@TERMS.register("name")`` or the entry-point group ``dgp.terms``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat

from dgp.losses.cosine import turned
from dgp.registry import Frozen, Kinds

if TYPE_CHECKING:
    from torch import Tensor

    from dgp.losses.prediction import View
    from generators import Prior

TERMS = Kinds("term", "dgp.terms")


def per_row(values: Tensor) -> Tensor:
    """(N, ...) -> (N,): the mean of each row."""
    return values.flatten(1).mean(1)


class Term(Frozen):
    """One weighted loss.

    weight: factor in the objective. A term of weight 0 is not computed.
    """

    kind: str
    weight: NonNegativeFloat = 1.0

    @property
    def name(self) -> str:
        return self.kind

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that it looks at; where one is absent, the term is left out."""
        return ()

    @property
    def networks(self) -> tuple[str, ...]:
        """Through which networks, besides the generator's first pass, it looks."""
        return ()

    @property
    def stochastic(self) -> bool:
        """Whether it draws random numbers."""
        return False

    def fitted(self, prior: Prior) -> Term:
        """The same on this prior, whose networks may be smaller than those that it was meant for."""
        return self

    def refuse(self, prior: Prior) -> str | None:
        """Why it cannot be computed with this prior, or on this machine, in one line."""
        return None

    def __call__(self, view: View) -> Tensor:
        """(N,), unweighted."""
        raise NotImplementedError


def named(terms: Sequence[Term]) -> dict[str, Term]:
    """The terms that carry weight, by the names of their losses; a name that is taken gets a number."""
    found: dict[str, Term] = {}
    for term in terms:
        if term.weight:
            found[term.name if term.name not in found else f"{term.name}#{len(found)}"] = term
    return found


@TERMS.register("mse")
class Mse(Term):
    """Mean squared difference of ``phi(x)`` and ``y``, both in [-1, 1], over every value of the observation, as it
    is weighted.

    floor: no row's value is less, and below it no gradient flows (PULSE's ``eps``, which is of pictures in [0, 1]: the
    floor is four times that, and the weight a quarter).
    """

    kind: str = "mse"
    floor: NonNegativeFloat = 0.0

    def __call__(self, view):
        return view.compare(lambda prediction, y: (prediction - y).square()).clamp_min(self.floor)


@TERMS.register("l1")
class L1(Term):
    """Mean absolute difference of ``phi(x)`` and ``y``, both in [-1, 1].

    floor: as in ``mse``; of PULSE's ``eps`` it is twice, and the weight half (of the ten that its code gives it).
    """

    kind: str = "l1"
    floor: NonNegativeFloat = 0.0

    def __call__(self, view):
        return view.compare(lambda prediction, y: (prediction - y).abs()).clamp_min(self.floor)


@TERMS.register("cosine")
class Cosine(Term):
    """1 - cosine of the angle between ``phi(x)`` and ``y``, all values of each, in [-1, 1], being one vector; as they
    are weighted."""

    kind: str = "cosine"

    def __call__(self, view):
        def of(part):
            scale = 1 if part.weight is None else part.weight.sqrt()
            return turned((part.prediction * scale).flatten(1), (part.y * scale).flatten(1), 1)

        return view.join([(part.rows, of(part)) for part in view.parts])
