"""A weighted sum of terms over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from dgp.losses.prediction import View
from dgp.losses.terms import Term, named
from dgp.variables.parametrizations import Chart


@dataclass(frozen=True)
class Score:
    """total (N,): the objective of each row; losses: every term by name, unweighted, each (N,)."""

    total: Tensor
    losses: dict[str, Tensor]


def score(terms: Sequence[Term], view: View) -> Score:
    """Evaluates the terms that carry weight. Raises ValueError when none does."""
    total, losses = None, {}
    for name, term in named(terms).items():
        value = term(view)
        losses[name] = value.detach()
        total = term.weight * value if total is None else total + term.weight * value
    if total is None:
        raise ValueError("the objective is empty: every term has weight 0; give one a weight")
    return Score(total, losses)


def networks(terms: Sequence[Term]) -> set[str]:
    """Through which networks, besides the generator, the terms look."""
    return {name for term in terms if term.weight for name in term.networks}


def passes(terms: Sequence[Term], charts: Mapping[str, Chart], depth: int | None) -> int:
    """Through how many networks a row passes to be judged by the terms; see ``Chart.passes``."""
    return 1 + sum(chart.passes(depth) for chart in charts.values()) + len(networks(terms))
