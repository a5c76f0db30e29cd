"""A memory of what the prior gives: what comes near the observation is looked up, and only that is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from dgp.losses.objective import networks
from dgp.losses.terms import TERMS, Term
from dgp.search.base import SEARCHES, Search
from dgp.search.lookup import nearest_first
from dgp.search.offspring import offspring
from dgp.variables.rows import Rows, joined, stream
from generators import get_bank

if TYPE_CHECKING:
    from dgp.engine.evaluator import Problem

PARENTS = 8


@SEARCHES.register("bank")
class BankSearch(Search):
    """Scores the ``nearest`` of ``count`` pictures that are drawn once for each prior and kept (``generators.bank``),
    then ``children`` of the best in each of ``rounds``, and keeps the ``elite`` best, of different descent if it can.

    Near is told by small pictures, after ``phi``, without any network (``nearest_first``).  The first answer to a
    picture begins at the nearest, the second at those that follow, and so on; what the bank lacks is drawn.
    through: "forward" scores the differentiable operator's prediction, "measure" the true operator's.
    What a search before this one hands on competes in the end.
    """

    kind: str = "bank"
    count: PositiveInt = 5000
    nearest: PositiveInt = 16
    children: PositiveInt = 8
    rounds: NonNegativeInt = 6
    elite: PositiveInt = 1
    through: Literal["forward", "measure"] = "forward"
    terms: tuple[TERMS.field(Term), ...]

    @model_validator(mode="after")
    def _possible(self):
        if self.nearest > self.count:
            raise ValueError(f"nearest ({self.nearest}) exceeds count ({self.count}); lower one or raise the other")
        if self.elite > self.scored:
            raise ValueError(f"elite ({self.elite}) exceeds what is scored ({self.scored}); lower it, or raise nearest")
        if not any(term.weight for term in self.terms):
            raise ValueError("no term has a weight, so that starts cannot be told apart; give terms")
        return self

    @property
    def scored(self) -> int:
        """How many starts of each answer are evaluated."""
        return self.nearest + self.children * self.rounds

    def run(self, problem, rows):
        bank = get_bank(problem.prior, self.count)
        found = []
        for picture, order in enumerate(nearest_first(problem.targets, bank)):
            for answer in range(problem.answers):
                random = stream(problem.seed, f"{problem.keys[picture]} bank", answer)
                index = order[answer * self.nearest : (answer + 1) * self.nearest]
                latents = bank.latents(index, problem.prior.generator)
                if lacking := self.nearest - len(index):
                    classes = problem.labels(picture, lacking, random)
                    more = problem.prior.generator.sample(lacking, classes=classes, generator=random)
                    latents = {name: torch.cat([value, more[name]]) for name, value in latents.items()}
                before = None if rows is None else rows.of(picture, answer)
                found.append(self._elite(problem, picture, answer, latents, before, random))
        return joined(found)

    def _elite(
        self,
        problem: Problem,
        picture: int,
        answer: int,
        latents: dict[str, Tensor],
        before: Rows | None,
        random: torch.Generator,
    ) -> Rows:
        """The best of one answer: of what was looked up, of its offspring, and of what came before."""

        def starts(latents: dict[str, Tensor], count: int) -> Rows:
            here = torch.full((count,), picture), torch.full((count,), answer)
            return Rows(*here, problem.placed(latents, picture, count, random))

        found = starts(latents, self.nearest)
        scores = problem.rank(found, self.terms, self.through)
        lineage = torch.arange(self.nearest)
        for _ in range(self.rounds):
            parents = found.best(scores, PARENTS).to(problem.prior.generator.device)
            born, whose = offspring(
                {n: v[parents] for n, v in latents.items()}, self.children, problem.prior.generator.info, random
            )
            latents = {name: torch.cat([value, born[name]]) for name, value in latents.items()}
            lineage = torch.cat([lineage, lineage[parents.cpu()[whose]]])
            more = starts(born, self.children)
            found = joined([found, more])
            scores = torch.cat([scores, problem.rank(more, self.terms, self.through)])
        if before is not None:
            found = joined([found, before])
            lineage = torch.cat([lineage, self.nearest + torch.arange(len(before))])
            scores = torch.cat([scores, problem.rank(before, self.terms, self.through)])
        return found.take(apart(found.best(scores, len(found)), lineage, self.elite))

    def rows_out(self, rows):
        return self.elite

    def cost(self, rows):
        return (self.scored + rows) * (1 + len(networks(self.terms)))

    def scaled(self, factor):
        nearest = min(self.count, max(self.elite, round(self.nearest * factor)))
        return self.model_copy(update={"nearest": nearest, "rounds": round(self.rounds * factor)})


def apart(order: Tensor, lineage: Tensor, keep: int) -> Tensor:
    """``keep`` of the rows in ``order`` (n,), in that order: the first of each lineage (n,), then others.

    The best of one family are nearly the same start, and whoever halves them would have only one.
    """
    known, heads, others = set(), [], []
    for place, family in enumerate(lineage[order].tolist()):
        (others if family in known else heads).append(place)
        known.add(family)
    return order[sorted((heads + others)[:keep])]
