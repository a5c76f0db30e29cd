"""The objective of a stage: a weighted sum of terms, one value a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from dgp.losses.prediction import Prediction
from dgp.losses.terms import Term, name_terms


@dataclass(frozen=True)
class Losses:
    """Losses of N rows.

    Attributes:
        total: the objective, (N,).
        by_term: each term by name, unweighted and detached, (N,).
    """

    total: Tensor
    by_term: dict[str, Tensor]


class Objective:
    """The weighted sum of terms: L = sum_k weight_k * term_k(x).

    Args:
        terms: terms; those of weight 0 are left out.
    """

    def __init__(self, terms: Sequence[Term]):
        self.terms = name_terms(terms)
        self.networks = list_networks(terms)

    def __call__(self, prediction: Prediction) -> Losses:
        """Evaluate the terms.

        Raises:
            ValueError: no term has a weight.
        """
        total, losses = None, {}
        for name, term in self.terms.items():
            value = term(prediction)
            losses[name] = value.detach()
            total = term.weight * value if total is None else total + term.weight * value
        if total is None:
            raise ValueError("the objective is empty: every term has weight 0; give one a weight")
        return Losses(total, losses)


def list_networks(terms: Sequence[Term]) -> set[str]:
    """Return the networks, besides the generator, that an evaluation of the terms passes."""
    return {name for term in terms if term.weight for name in term.networks}
