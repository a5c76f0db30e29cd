"""What every search is: options, and a function from a problem to starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgp.kinds import Frozen, Kinds

if TYPE_CHECKING:
    from dgp.problem import Problem
    from dgp.rows import Rows

SEARCHES = Kinds("search", "dgp.searches")


class Search(Frozen):
    """Finds starts within a stated number of evaluations, and returns the best that it evaluated."""

    kind: str

    def run(self, problem: Problem) -> Rows:
        """The starts of every answer of every picture, grouped by answer, the best first."""
        raise NotImplementedError
