"""Best of N: candidates drawn from the prior, scored in batches, the best few kept (Pan et al. 2020, section 3.2)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt, model_validator

from dgp.losses.terms import TERMS, Term
from dgp.rows import Rows, stream
from dgp.search.base import SEARCHES, Search


@SEARCHES.register("best-of")
class BestOf(Search):
    """Draws ``count`` candidates for each answer and keeps the ``elite`` best.

    std: factor on the standard normal latents.  Classes that are not told are spread evenly over the candidates.
    through: "forward" scores the differentiable operator's prediction, "measure" the true operator's.
    """

    kind: str = "best-of"
    count: PositiveInt = 500
    elite: PositiveInt = 1
    std: PositiveFloat = 1.0
    through: Literal["forward", "measure"] = "forward"
    terms: tuple[TERMS.field(Term), ...]

    @model_validator(mode="after")
    def _elite_among_candidates(self):
        if self.elite > self.count:
            raise ValueError(f"elite ({self.elite}) exceeds count ({self.count}); lower one or raise the other")
        return self

    def run(self, problem):
        found = []
        for picture, observation in enumerate(problem.targets.observations):
            for answer in range(problem.answers):
                candidates = self.draw(problem, picture, answer, stream(problem.seed, observation.key, answer))
                if self.elite == self.count:
                    found.append(candidates)
                else:
                    scores = problem.rank(candidates, self.terms, self.through)
                    found.append(candidates.take(candidates.best(scores, self.elite)))
        join = lambda name: torch.cat([rows.values[name] for rows in found])  # noqa: E731
        return Rows(
            torch.cat([rows.picture for rows in found]),
            torch.cat([rows.answer for rows in found]),
            {name: join(name) for name in found[0].values},
        )

    def draw(self, problem, picture: int, answer: int, generator: torch.Generator) -> Rows:
        classes = problem.labels(picture, self.count, generator)
        values = problem.prior.generator.sample(self.count, classes=classes, generator=generator)
        for spec in problem.prior.generator.info.latents:
            if spec.chart == "z":
                values[spec.name] = values[spec.name] * self.std
        here = torch.full((self.count,), picture)
        return Rows(here, torch.full((self.count,), answer), values)
