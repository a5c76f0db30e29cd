"""The base classes of searches, and their registry."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Literal

from pydantic import PositiveInt

from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.losses.objective import list_networks
from dgp.losses.terms import TERMS, Term
from dgp.registry import Options, Registry
from dgp.variables.parametrizations import Parametrization
from dgp.variables.rows import Rows
from generators import Prior

SEARCHES = Registry(
    "search",
    "dgp.searches",
    {
        "best-of": "dgp.search.best_of",
        "bank": "dgp.search.bank",
        "evolution": "dgp.search.evolution",
        "mean": "dgp.search.mean",
        "unknowns": "dgp.search.operator_parameters",
    },
)


@dataclass(frozen=True)
class SearchSpace:
    """The variables that a search can vary.

    Attributes:
        space: the latents in which the run starts.
        parametrizations: of the variables that the recipe names.
        live: names of all variables that can be optimised at the start.
    """

    space: str
    parametrizations: Mapping[str, Parametrization]
    live: Set[str]


class Search(Options):
    """Finds initial rows within a stated number of evaluations, and returns the best that it evaluated.

    A subclass defines ``run``, ``rows_out`` and ``cost``.
    """

    kind: str

    def run(self, evaluator: Evaluator, source: RowSource, rows: Rows | None) -> Rows:
        """Return the initial rows of every answer of every picture, grouped by answer, the best first.

        Args:
            evaluator: scores rows.
            source: makes rows.
            rows: what the search before this one returned, grouped in the same way; None for the first.
        """
        raise NotImplementedError

    def rows_out(self, rows: int) -> int:
        """Return how many rows of each answer ``run`` returns, given ``rows`` of each."""
        raise NotImplementedError

    def cost(self, rows: int) -> int:
        """Return what it spends on each answer, in passes through a network (`dgp.planning.budget`)."""
        raise NotImplementedError

    def scale(self, factor: float) -> Search:
        """Return the same search at about ``factor`` of its cost, as far as it can be had."""
        return self

    @property
    def scored_terms(self) -> tuple[Term, ...]:
        """Terms by which rows are scored."""
        return ()

    def with_terms(self, terms: tuple[Term, ...]) -> Search:
        """Return the same search with other terms."""
        return self

    def adapt(self, prior: Prior, setting: SearchSpace, notes: list[str]) -> Search:
        """Return the search as it runs on this prior.

        Args:
            prior: the prior.
            setting: what can be varied.
            notes: gains a line for everything that is changed.
        """
        return self

    def find_obstacle(self, prior: Prior) -> str | None:
        """Return why the search cannot run on this prior, in one line; None if it can."""
        return None


class ScoringSearch(Search):
    """A search that scores rows by terms.

    through: "forward" scores the prediction of the differentiable operator, "measure" that of the true operator.
    terms: the terms of the score.
    resolution: pixels a side of the pictures that are scored, as of a stage. ``unknowns`` renders each start once, at
        the prior's own.
    """

    through: Literal["forward", "measure"] = "forward"
    resolution: PositiveInt | None = None
    terms: tuple[TERMS.field(Term), ...]

    @property
    def scored_terms(self):
        return self.terms

    def with_terms(self, terms):
        return self.model_copy(update={"terms": terms})

    @property
    def networks(self) -> int:
        """Number of networks, besides the generator, that a score passes."""
        return len(list_networks(self.terms))

    @property
    def has_weight(self) -> bool:
        """Whether any term has a weight, so that rows can be compared."""
        return any(term.weight for term in self.terms)
