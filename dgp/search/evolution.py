"""Evolution of starts: a derivative-free optimiser varies a population, alone, or over the basins to which a few
gradient steps of every member lead (Huh et al. 2020, pix2latent: BasinCMA)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from dgp.engine.evaluator import Problem
from dgp.errors import RecipeError
from dgp.losses.objective import networks
from dgp.losses.terms import TERMS, Term
from dgp.search.ask_tell import AskTell, Optimizer, fault, fewest, usual_population
from dgp.search.base import SEARCHES, Search
from dgp.search.coordinates import coordinates, dimension
from dgp.search.refine import Inner, refined
from dgp.variables.constraints import Unconstrained
from dgp.variables.rows import Rows, joined, stream


@SEARCHES.register("evolution")
class Evolution(Search):
    """Varies one variable of a population; the populations of all answers are evaluated together.

    optimizer: of nevergrad, by our names; "cma" and "diagonal-cma" are pycma's; "one-plus-one" is a sequential method,
        for a population of 1.
    population: members of a generation; ``4 + floor(3 ln d)`` for a variable of d numbers where absent.
    over: the variable; the one in which the run begins where absent. Its search begins at N(0, I), in units of ``std``
        times its own deviation, or around the best of what a search before this one hands on. Its constraint makes it
        legal before it is evaluated.
    What is not varied is drawn once for each member, classes that are not told evenly; from the second generation on
        the members take it from the elite, in turn, so that the best classes spread.
    inner: gradient steps of every member in every generation.
    feedback: "refined" tells the optimiser the points to which these lead, with their losses; "original" tells it those
        losses of the points before, and leaves what is not varied as it was drawn, as the published code does.
    elite: how many of the best points of all generations are handed on.
    final: "elite", or "fresh", which hands on one more population, not looked at, as the published code does.
    through: "forward" scores the differentiable operator's prediction, "measure" the true operator's.
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
    through: Literal["forward", "measure"] = "forward"
    terms: tuple[TERMS.field(Term), ...]

    @model_validator(mode="after")
    def _possible(self):
        count, least = self.population, fewest(self.optimizer)
        if count is not None and count < least:
            raise ValueError(f"got a population of {count}, expected at least {least} for {self.optimizer}")
        if count is not None and self.elite > count * self.generations:
            raise ValueError(f"elite ({self.elite}) exceeds the {count * self.generations} points looked at; lower it")
        if not any(term.weight for term in self.terms):
            raise ValueError("no term has a weight, so that members cannot be told apart; give terms")
        return self

    def fitted(self, prior, space, charts, live, notes):
        name = self.over or space
        if name not in live:
            raise RecipeError(f"the search varies {name!r}, expected one of: {', '.join(sorted(live))}")
        width = dimension(name, prior, charts)
        change = {"population": self.population or usual_population(width)}
        if why := fault(self.optimizer, width, change["population"]):
            raise RecipeError(f"the search: {why}")
        if self.inner and (gone := sorted(self.inner.move.keys() - live)):
            notes.append(f"search: {', '.join(gone)} cannot be moved, as this prior lacks it")
            left = {name: lr for name, lr in self.inner.move.items() if name in live}
            change["inner"] = self.inner.model_copy(update={"move": left}) if left else None
        return self.model_copy(update=change)

    @property
    def moves(self) -> bool:
        """Whether the optimiser is told other points than it asked for."""
        return self.inner is not None and self.feedback == "refined"

    def run(self, problem, rows):
        pictures = range(len(problem.targets.observations))
        lineages = [Lineage(self, problem, p, a, rows) for p in pictures for a in range(problem.answers)]
        for _ in range(self.generations):
            members = joined([lineage.members() for lineage in lineages])
            found, scores = self._seen(problem, members)
            for lineage, (start, stop) in zip(lineages, members.blocks(), strict=True):
                lineage.learn(found.take(torch.arange(start, stop)), scores[start:stop])
        return joined([lineage.members() if self.final == "fresh" else lineage.elite for lineage in lineages])

    def _seen(self, problem: Problem, members: Rows) -> tuple[Rows, Tensor]:
        """The members where their gradient steps lead, and their objectives (N,)."""
        if self.inner is None:
            return members, problem.rank(members, self.terms, self.through)
        found, scores = refined(problem, members, self.inner, self.terms)
        return found, scores if self.through == "forward" else problem.rank(found, self.terms, self.through)

    def _members(self) -> int:
        return self.population or usual_population(128)  # before it is known how wide the variable is

    def rows_out(self, rows):
        return self._members() if self.final == "fresh" else min(self.elite, self._members() * self.generations + rows)

    def cost(self, rows):
        look = 1 + len(networks(self.terms))
        each = look if self.inner is None else self.inner.cost(self.terms) + look * (self.through != "forward")
        return self._members() * self.generations * each + rows * look

    def scaled(self, factor):
        """Fewer generations; where members take gradient steps, fewer of either, by the root of the factor."""
        if self.inner is None:
            return self.model_copy(update={"generations": max(1, round(self.generations * factor))})
        inner = self.inner.model_copy(update={"steps": max(1, round(self.inner.steps * factor**0.5))})
        share = factor * self.inner.cost(self.terms) / inner.cost(self.terms)
        return self.model_copy(update={"inner": inner, "generations": max(1, round(self.generations * share))})


class Lineage:
    """The evolution of one answer to one picture."""

    def __init__(self, search: Evolution, problem: Problem, picture: int, answer: int, rows: Rows | None):
        self.search, self.name = search, search.over or problem.space
        self.elite = self.scores = around = None
        self.drawn = problem.draw(picture, answer, search.population, search.std)
        if rows is not None:
            self._keep(given := rows.of(picture, answer), problem.rank(given, search.terms, search.through))
            around = self.elite.values[self.name][0]
            self.drawn = self.elite.take(torch.arange(search.population) % len(self.elite))
        self.constraint = problem.constraints.get(self.name, Unconstrained())
        value = self.drawn.values[self.name]
        self.coordinates = coordinates(problem, self.name, value, around, search.std)
        seed = stream(problem.seed, f"{problem.keys[picture]} evolution", answer).initial_seed() % 2**32
        self.optimizer = AskTell(
            search.optimizer, value[0].numel(), len(value), search.generations, seed, moves=search.moves
        )

    def members(self) -> Rows:
        """The next population."""
        rows = self.drawn.take(torch.arange(len(self.drawn)))
        value = self.coordinates.values(self.optimizer.ask())
        rows.values[self.name] = self.constraint.apply(value, rows.values[self.name])
        return rows

    def learn(self, found: Rows, scores: Tensor) -> None:
        """Takes in what has become of the last population, and what it is worth (B,)."""
        points = self.coordinates.points(found.values[self.name]) if self.search.moves else None
        self.optimizer.tell(scores, points)
        self._keep(found, scores)
        if self.search.feedback == "refined":
            heirs = self.elite.take(torch.arange(len(self.drawn)) % len(self.elite))
            self.drawn.values = heirs.values | {self.name: self.drawn.values[self.name]}

    def _keep(self, found: Rows, scores: Tensor) -> None:
        if self.elite is not None:
            found, scores = joined([self.elite, found]), torch.cat([self.scores, scores])
        best = found.best(scores, self.search.elite)
        self.elite, self.scores = found.take(best), scores[best]
