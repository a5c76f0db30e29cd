"""What every search is: options, and a function from a problem to starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgp.registry import Frozen, Kinds

if TYPE_CHECKING:
    from collections.abc import Mapping, Set

    from dgp.engine.evaluator import Problem
    from dgp.variables.parametrizations import Chart
    from dgp.variables.rows import Rows
    from generators import Prior

SEARCHES = Kinds("search", "dgp.searches")


class Search(Frozen):
    """Finds starts within a stated number of evaluations, and returns the best that it evaluated."""

    kind: str

    def run(self, problem: Problem, rows: Rows | None) -> Rows:
        """The starts of every answer of every picture, grouped by answer, the best first.

        rows: what the search before this one hands on, grouped in the same way; None for the first.
        """
        raise NotImplementedError

    def fitted(self, prior: Prior, space: str, charts: Mapping[str, Chart], live: Set[str], notes: list[str]) -> Search:
        """The search as it runs on this prior.

        space: the latents in which the run begins.  charts: of the variables that the recipe names.  live: names of all
        that can be optimised then.  notes: gains a line for everything that is changed.
        """
        return self

    def refuse(self, prior: Prior) -> str | None:
        """Why this prior cannot serve it, in one line."""
        return None

    def rows_out(self, rows: int) -> int:
        """How many starts of each answer it hands on, given ``rows`` of each."""
        raise NotImplementedError

    def cost(self, rows: int) -> int:
        """What it spends on each answer, in passes through a network (see ``Evaluations``)."""
        raise NotImplementedError

    def scaled(self, factor: float) -> Search:
        """The same search at about ``factor`` of its cost, as far as it can be had."""
        return self
