"""Best of N: candidates drawn from the prior, scored in batches, the best few kept (Pan et al. 2020, section 3.2)."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat, PositiveInt, model_validator

from dgp.losses.objective import networks
from dgp.losses.terms import TERMS, Term
from dgp.search.base import SEARCHES, Search
from dgp.variables.rows import joined


@SEARCHES.register("best-of")
class BestOf(Search):
    """Draws ``count`` candidates for each answer and keeps the ``elite`` best.

    std: factor on the standard normal latents.  Classes that are not told are spread evenly over the candidates.
    through: "forward" scores the differentiable operator's prediction, "measure" the true operator's.
    What a search before this one hands on competes with the candidates.
    """

    kind: str = "best-of"
    count: PositiveInt = 500
    elite: PositiveInt = 1
    std: PositiveFloat = 1.0
    through: Literal["forward", "measure"] = "forward"
    terms: tuple[TERMS.field(Term), ...] = ()

    @model_validator(mode="after")
    def _elite_among_candidates(self):
        if self.elite > self.count:
            raise ValueError(f"elite ({self.elite}) exceeds count ({self.count}); lower one or raise the other")
        if self.elite < self.count and not any(term.weight for term in self.terms):
            raise ValueError("no term has a weight, so that candidates cannot be told apart; give terms")
        return self

    def run(self, problem, rows):
        found = []
        for picture in range(len(problem.targets.observations)):
            for answer in range(problem.answers):
                candidates = problem.draw(picture, answer, self.count, self.std)
                if rows is not None:
                    candidates = joined([candidates, rows.of(picture, answer)])
                if self.elite < len(candidates):
                    scores = problem.rank(candidates, self.terms, self.through)
                    candidates = candidates.take(candidates.best(scores, self.elite))
                found.append(candidates)
        return joined(found)

    def rows_out(self, rows):
        return self.elite

    def cost(self, rows):
        return (self.count + rows) * (1 + len(networks(self.terms))) if self.elite < self.count + rows else 0

    def scaled(self, factor):
        if self.elite == self.count:  # nothing is chosen, nor need there be terms to choose by
            return self
        return self.model_copy(update={"count": max(self.elite, round(self.count * factor))})
