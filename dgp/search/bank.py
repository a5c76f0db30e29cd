"""A lookup among stored samples of the prior: only those near the observation are scored."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.search.base import SEARCHES, ScoringSearch
from dgp.search.lookup import order_by_distance
from dgp.search.offspring import cross
from dgp.variables.rows import Rows, concatenate
from generators import get_bank

PARENTS = 8


@SEARCHES.register("bank")
class BankSearch(ScoringSearch):
    """Scores the ``nearest`` of ``count`` stored samples of the prior, then offspring of the best.

    The samples are drawn once for each prior and kept (``generators.get_bank``). Nearness is measured on small pictures
    after phi, without any network. The first answer to a picture starts at the nearest samples, the second at those
    that follow, and so on; missing samples are drawn. What the search before returned competes at the end.

    children: offspring of the best in each of ``rounds``.
    elite: rows kept, of different descent where possible.
    """

    kind: str = "bank"
    count: PositiveInt = 5000
    nearest: PositiveInt = 16
    children: PositiveInt = 8
    rounds: NonNegativeInt = 6
    elite: PositiveInt = 1

    @model_validator(mode="after")
    def _possible(self):
        if self.nearest > self.count:
            raise ValueError(f"nearest ({self.nearest}) exceeds count ({self.count}); lower one or raise the other")
        if self.elite > self.scored:
            raise ValueError(f"elite ({self.elite}) exceeds what is scored ({self.scored}); lower it, or raise nearest")
        if not self.has_weight:
            raise ValueError("no term has a weight, so that starts cannot be told apart; give terms")
        return self

    @property
    def scored(self) -> int:
        """Number of rows of each answer that are evaluated."""
        return self.nearest + self.children * self.rounds

    def run(self, evaluator, source, rows):
        bank = get_bank(source.prior, self.count)
        orders = order_by_distance(evaluator.batch, bank)
        found = []
        for picture, answer in source.owners:
            random = source.stream(picture, answer, "bank")
            index = orders[picture][answer * self.nearest : (answer + 1) * self.nearest]
            latents = bank.latents(index, source.prior.generator)
            if lacking := self.nearest - len(index):
                classes = source.draw_labels(picture, lacking, random)
                more = source.prior.generator.sample(lacking, classes=classes, generator=random)
                latents = {name: torch.cat([value, more[name]]) for name, value in latents.items()}
            family = Family(self, evaluator, source, Owner(picture, answer, random))
            found.append(family.evolve(latents, None if rows is None else rows.of(picture, answer)))
        return concatenate(found)

    def rows_out(self, rows):
        return self.elite

    def cost(self, rows):
        return (self.scored + rows) * (1 + self.networks)

    def scale(self, factor):
        nearest = min(self.count, max(self.elite, round(self.nearest * factor)))
        return self.model_copy(update={"nearest": nearest, "rounds": round(self.rounds * factor)})


@dataclass(frozen=True)
class Owner:
    """An answer to a picture, and the random generator of its search."""

    picture: int
    answer: int
    random: torch.Generator


@dataclass(frozen=True)
class Family:
    """The rows of one answer: those that were looked up, and their offspring."""

    search: BankSearch
    evaluator: Evaluator
    source: RowSource
    owner: Owner

    def evolve(self, latents: dict[str, Tensor], before: Rows | None) -> Rows:
        """Return the best rows of the answer.

        Args:
            latents: inputs of the generator that were looked up, each (nearest, ...).
            before: rows of the search before, or None.
        """
        search = self.search
        found = self._start_at(latents, search.nearest)
        scores = self._score(found)
        lineage = torch.arange(search.nearest)
        for _ in range(search.rounds):
            parents = found.best(scores, PARENTS).to(self.source.prior.generator.device)
            chosen = {name: value[parents] for name, value in latents.items()}
            born, first = cross(chosen, search.children, self.source.prior.generator.info, self.owner.random)
            latents = {name: torch.cat([value, born[name]]) for name, value in latents.items()}
            lineage = torch.cat([lineage, lineage[parents.cpu()[first]]])
            more = self._start_at(born, search.children)
            found = concatenate([found, more])
            scores = torch.cat([scores, self._score(more)])
        if before is not None:
            found = concatenate([found, before])
            lineage = torch.cat([lineage, search.nearest + torch.arange(len(before))])
            scores = torch.cat([scores, self._score(before)])
        return found.take(choose_diverse(found.best(scores, len(found)), lineage, search.elite))

    def _start_at(self, latents: dict[str, Tensor], count: int) -> Rows:
        values = self.source.start_at(latents, self.owner.picture, count, self.owner.random)
        return self.source.rows(self.owner.picture, self.owner.answer, values)

    def _score(self, rows: Rows) -> Tensor:
        return self.evaluator.score(rows, self.search.terms, self.search.through)


def choose_diverse(order: Tensor, lineage: Tensor, keep: int) -> Tensor:
    """Return ``keep`` of the rows in ``order``, in that order: the first of each lineage, then others.

    The best rows of one lineage are nearly the same start, so that halving them later would leave a single one.

    Args:
        order: indices of rows, the best first, (n,).
        lineage: the ancestor of each row, (n,).
        keep: number of rows.
    """
    known, heads, others = set(), [], []
    for place, family in enumerate(lineage[order].tolist()):
        (others if family in known else heads).append(place)
        known.add(family)
    return order[sorted((heads + others)[:keep])]
