"""Weighted losses. Each looks at a View of some rows and returns one value a row.

Third parties add kinds by ``@TERMS.register("name")`` or the entry-point group ``dgp.terms``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, NonNegativeInt, PositiveInt

from dgp.kinds import Frozen, Kinds

if TYPE_CHECKING:
    from torch import Tensor

    from dgp.losses.view import View
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
    weight: float = 1.0

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
    is weighted."""

    kind: str = "mse"

    def __call__(self, view):
        return view.compare(lambda prediction, y: (prediction - y).square())


@TERMS.register("l1")
class L1(Term):
    """Mean absolute difference of ``phi(x)`` and ``y``, both in [-1, 1]."""

    kind: str = "l1"

    def __call__(self, view):
        return view.compare(lambda prediction, y: (prediction - y).abs())


@TERMS.register("features")
class Features(Term):
    """Discriminator-feature distance (Pan et al. 2020, eq. 5): the sum over features of the mean absolute
    difference between those of the lifted prediction and those of the lifted observation.

    drop: how many of the shallowest features are left out.
    last: only so many of the deepest features (after ``drop``); all if absent.
    rectify_last: the deepest map is read after its ReLU, as an in-place activation leaves it in the published code.
    """

    kind: str = "features"
    drop: NonNegativeInt = 0
    last: PositiveInt | None = None
    rectify_last: bool = True

    @property
    def networks(self):
        return ("discriminator",)

    def __call__(self, view):
        ours, theirs = view.features, view.target_features
        chosen = range(len(ours))[self.drop :]
        if self.last:
            chosen = chosen[-self.last :]
        total = 0
        for k in chosen:
            a, b = ours[k], theirs[k]
            if self.rectify_last and k == len(ours) - 2:
                a, b = a.relu(), b.relu()
            total = total + per_row((a - b).abs())
        return total


@TERMS.register("nll")
class NegativeLogLikelihood(Term):
    """Half the mean square of a standard normal variable (its negative log-likelihood over d, less a constant)."""

    kind: str = "nll"
    on: str = Field("z", description="the variable")

    @property
    def name(self):
        return f"nll({self.on})"

    @property
    def variables(self):
        return (self.on,)

    def __call__(self, view):
        return per_row(view.values[self.on].square()) / 2
