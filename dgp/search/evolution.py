"""Evolution of starts: a derivative-free optimizer varies a population, alone, or over the basins to which a few
gradient steps of every member lead (Huh et al. 2020, pix2latent: BasinCMA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.errors import RecipeError
from dgp.search.ask_tell import AskTell, Optimizer, default_population, find_fault, least_population
from dgp.search.base import SEARCHES, ScoringSearch
from dgp.search.coordinates import Coordinates, choose_coordinates, count_dimensions
from dgp.search.refine import Inner
from dgp.variables.constraints import Constraint, Unconstrained
from dgp.variables.rows import Rows, concatenate


@SEARCHES.register("evolution")
class Evolution(ScoringSearch):
    """Varies one variable of a population; the populations of all answers are evaluated together.

    What is not varied is drawn once for each member, classes that are not given evenly; from the second generation on
    the members take it from the elite, in turn, so that the best classes spread.

    optimizer: a method of nevergrad; "cma" and "diagonal-cma" are pycma's; "one-plus-one" is a sequential method, for a
        population of 1.
    population: members of a generation; ``4 + floor(3 ln d)`` for a variable of d numbers if absent.
    over: the variable; the one in which the run starts if absent. The search starts at N(0, I), in units of ``std``
        times the variable's own deviation, or around the best row of the search before. The variable's constraint is
        applied before it is evaluated.
    inner: gradient steps of every member in every generation.
    feedback: "refined" tells the optimizer the points after these steps, with their losses; "original" tells it those
        losses of the points before, and leaves what is not varied as it was drawn, as the published code does.
    elite: number of the best points of all generations to return.
    final: "elite", or "fresh", which returns one more population, not evaluated, as the published code does.
    """

    kind: str = "evolution"
    optimizer: Optimizer = "diagonal-cma"
    population: PositiveInt | None = None
    generations: PositiveInt = 30
    over: str | None = None
    std: PositiveFloat = 1.0
    inner: Inner | None = None
    feedback: Literal["refined", "original"] = "refined"
    elite: PositiveInt = 4
    final: Literal["elite", "fresh"] = "elite"

    @model_validator(mode="after")
    def _possible(self):
        count, least = self.population, least_population(self.optimizer)
        if count is not None and count < least:
            raise ValueError(f"got a population of {count}, expected at least {least} for {self.optimizer}")
        if count is not None and self.elite > count * self.generations:
            raise ValueError(f"elite ({self.elite}) exceeds the {count * self.generations} points looked at; lower it")
        if not self.has_weight:
            raise ValueError("no term has a weight, so that members cannot be told apart; give terms")
        return self

    def adapt(self, prior, setting, notes):
        name = self.over or setting.space
        if name not in setting.live:
            raise RecipeError(f"the search varies {name!r}, expected one of: {', '.join(sorted(setting.live))}")
        width = count_dimensions(name, prior, setting.parametrizations)
        change = {"population": self.population or default_population(width)}
        if fault := find_fault(self.optimizer, width, change["population"]):
            raise RecipeError(f"the search: {fault}")
        if self.inner and (gone := sorted(self.inner.move.keys() - setting.live)):
            notes.append(f"search: {', '.join(gone)} cannot be moved, as this prior lacks it")
            left = {name: lr for name, lr in self.inner.move.items() if name in setting.live}
            change["inner"] = self.inner.model_copy(update={"move": left}) if left else None
        return self.model_copy(update=change)

    @property
    def refines(self) -> bool:
        """Whether the optimizer gets the losses of other points than it proposed."""
        return self.inner is not None and self.feedback == "refined"

    def run(self, evaluator, source, rows):
        lineages = [
            begin_lineage(self, evaluator, source, None if rows is None else rows.of(*owner), owner=owner)
            for owner in source.owners
        ]
        for _ in range(self.generations):
            members = concatenate([lineage.ask() for lineage in lineages])
            found, scores = self._evaluate(evaluator, source, members)
            for lineage, (start, stop) in zip(lineages, members.blocks(), strict=True):
                lineage.tell(found.take(torch.arange(start, stop)), scores[start:stop])
        return concatenate([lineage.ask() if self.final == "fresh" else lineage.elite for lineage in lineages])

    def _evaluate(self, evaluator: Evaluator, source: RowSource, members: Rows) -> tuple[Rows, Tensor]:
        """Return the members after their gradient steps, and their objectives, (N,)."""
        if self.inner is None:
            return members, evaluator.score(members, self.terms, self.through)
        found, scores = self.inner.refine(evaluator, source, members, self.terms)
        return found, scores if self.through == "forward" else evaluator.score(found, self.terms, self.through)

    def _population(self) -> int:
        return self.population or default_population(128)  # an estimate before the width of the variable is known

    def rows_out(self, rows):
        whole = self._population()
        return whole if self.final == "fresh" else min(self.elite, whole * self.generations + rows)

    def cost(self, rows):
        score = 1 + self.networks
        each = score if self.inner is None else self.inner.cost(self.terms) + score * (self.through != "forward")
        return self._population() * self.generations * each + rows * score

    def scale(self, factor):
        """Return the search with fewer generations, and of gradient steps fewer too, each by the root of the factor."""
        if self.inner is None:
            return self.model_copy(update={"generations": max(1, round(self.generations * factor))})
        inner = self.inner.model_copy(update={"steps": max(1, round(self.inner.steps * factor**0.5))})
        share = factor * self.inner.cost(self.terms) / inner.cost(self.terms)
        return self.model_copy(update={"inner": inner, "generations": max(1, round(self.generations * share))})


@dataclass
class Lineage:
    """The evolution of one answer to one picture; made by ``begin_lineage``.

    Attributes:
        search: options of the search.
        name: the variable that is varied.
        drawn: members of the population, of which everything but that variable is taken.
        coordinates: in which the optimizer varies it.
        constraint: of the variable.
        optimizer: varies it.
        elite, scores: the best points of all generations and their objectives; None before the first.
    """

    search: Evolution
    name: str
    drawn: Rows
    coordinates: Coordinates
    constraint: Constraint
    optimizer: AskTell
    elite: Rows | None = None
    scores: Tensor | None = None

    def ask(self) -> Rows:
        """Return the next population."""
        rows = self.drawn.take(torch.arange(len(self.drawn)))
        value = self.coordinates.to_values(self.optimizer.ask())
        rows.values[self.name] = self.constraint.project(value, rows.values[self.name])
        return rows

    def tell(self, found: Rows, scores: Tensor) -> None:
        """Give the members of the last population, after their gradient steps, and their objectives, (B,)."""
        points = self.coordinates.to_points(found.values[self.name]) if self.search.refines else None
        self.optimizer.tell(scores, points)
        self._keep_best(found, scores)
        if self.search.feedback == "refined":
            heirs = self.elite.take(torch.arange(len(self.drawn)) % len(self.elite))
            self.drawn.values = heirs.values | {self.name: self.drawn.values[self.name]}

    def _keep_best(self, found: Rows, scores: Tensor) -> None:
        if self.elite is not None:
            found, scores = concatenate([self.elite, found]), torch.cat([self.scores, scores])
        best = found.best(scores, self.search.elite)
        self.elite, self.scores = found.take(best), scores[best]


def begin_lineage(
    search: Evolution, evaluator: Evaluator, source: RowSource, before: Rows | None, *, owner: tuple[int, int]
) -> Lineage:
    """Return the lineage of an answer before its first generation.

    Args:
        search: options of the search.
        evaluator: scores rows.
        source: makes rows.
        before: rows of the search before, around whose best the lineage starts, or None.
        owner: (index of the picture, index of the answer).
    """
    name = search.over or source.space
    drawn = source.draw(*owner, search.population, search.std)
    elite = scores = around = None
    if before is not None:
        losses = evaluator.score(before, search.terms, search.through)
        best = before.best(losses, search.elite)
        elite, scores = before.take(best), losses[best]
        around = elite.values[name][0]
        drawn = elite.take(torch.arange(search.population) % len(elite))
    value = drawn.values[name]
    optimizer = AskTell(
        search.optimizer,
        dimension=value[0].numel(),
        population=len(value),
        generations=search.generations,
        seed=source.stream(*owner, "evolution").initial_seed() % 2**32,
        refines=search.refines,
    )
    coordinates = choose_coordinates(source, name, value, around=around, std=search.std)
    constraint = source.constraints.get(name, Unconstrained())
    return Lineage(
        search=search,
        name=name,
        drawn=drawn,
        coordinates=coordinates,
        constraint=constraint,
        optimizer=optimizer,
        elite=elite,
        scores=scores,
    )
