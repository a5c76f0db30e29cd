"""Best of N: candidates drawn from the prior, scored in batches, the best few kept (Pan et al. 2020, section 3.2)."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt, model_validator

from dgp.losses.terms import TERMS, Term
from dgp.search.base import SEARCHES, ScoringSearch
from dgp.variables.rows import concatenate


@SEARCHES.register("best-of")
class BestOf(ScoringSearch):
    """Draws ``count`` candidates for each answer and keeps the ``elite`` best.

    What the search before returned competes with the candidates. Classes that are not given are spread evenly over the
    candidates.

    std: factor on standard normal latents.
    """

    kind: str = "best-of"
    count: PositiveInt = 500
    elite: PositiveInt = 1
    std: PositiveFloat = 1.0
    terms: tuple[TERMS.field(Term), ...] = ()

    @model_validator(mode="after")
    def _elite_among_candidates(self):
        if self.elite > self.count:
            raise ValueError(f"elite ({self.elite}) exceeds count ({self.count}); lower one or raise the other")
        if self.elite < self.count and not self.has_weight:
            raise ValueError("no term has a weight, so that candidates cannot be told apart; give terms")
        return self

    def run(self, evaluator, source, rows):
        found = []
        for picture, answer in source.owners:
            candidates = source.draw(picture, answer, self.count, self.std)
            if rows is not None:
                candidates = concatenate([candidates, rows.of(picture, answer)])
            if self.elite < len(candidates):
                scores = evaluator.score(candidates, self.terms, self.through)
                candidates = candidates.take(candidates.best(scores, self.elite))
            found.append(candidates)
        return concatenate(found)

    def rows_out(self, rows):
        return self.elite

    def cost(self, rows):
        return (self.count + rows) * (1 + self.networks) if self.elite < self.count + rows else 0

    def scale(self, factor):
        if self.elite == self.count:  # all candidates are kept, and there may be no terms to choose by
            return self
        return self.model_copy(update={"count": max(self.elite, round(self.count * factor))})
