"""A coarse search over the unknown parameters of the degradation, for starts that stay what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from pydantic import PositiveInt, field_validator, model_validator
from torch import Tensor

from dgp.errors import RecipeError
from dgp.losses.objective import networks, score
from dgp.losses.prediction import View
from dgp.losses.terms import TERMS, Term
from dgp.random_streams import Streams
from dgp.search.ask_tell import AskTell, Optimizer, fewest
from dgp.search.base import SEARCHES, Search
from dgp.variables.operator_parameters import is_unknown
from dgp.variables.rows import Rows, joined, stream

if TYPE_CHECKING:
    from dgp.engine.evaluator import Problem

NARROWEST = 0.01  # of its range: an unknown parameter that is known better is left where it is


@SEARCHES.register("unknowns")
class UnknownsSearch(Search):
    """Varies the unknown parameters around where they are expected, and tries every setting on all starts that the
    search before hands on; every start takes the setting that serves it best.

    The starts' pictures are rendered once, and a population is one batch for all of them. The term ``unknowns`` holds
    the parameters to what is known of them. Pictures whose degradation is known pass as they are.

    optimizer: of nevergrad, as for ``evolution``; a setting is worth what it is to the start that it serves best.
    population, generations: settings tried at once, and how often.
    through: "forward" scores the differentiable operator's prediction, "measure" the true operator's.
    """

    kind: str = "unknowns"
    optimizer: Optimizer = "two-points-de"
    population: PositiveInt = 16
    generations: PositiveInt = 6
    through: Literal["forward", "measure"] = "forward"
    terms: tuple[TERMS.field(Term), ...]

    @field_validator("terms")
    @classmethod
    def _heavy(cls, terms):
        if not any(term.weight for term in terms):
            raise ValueError("no term has a weight, so that settings cannot be told apart; give terms")
        return terms

    @model_validator(mode="after")
    def _possible(self):
        if self.population < fewest(self.optimizer):
            least = fewest(self.optimizer)
            raise ValueError(f"got a population of {self.population}, expected at least {least} for {self.optimizer}")
        return self

    def run(self, problem, rows):
        if rows is None:
            raise RecipeError("the search 'unknowns' varies nothing but the degradation; put a search before it")
        owners = [(int(rows.picture[start]), int(rows.answer[start])) for start, _ in rows.blocks()]
        trials = [Trials(self, problem, rows.of(*owner)) for owner in owners]
        for _ in range(self.generations):
            asked = [trial for trial in trials if trial.names]
            if not asked:
                break
            settings = [trial.ask() for trial in asked]
            pictures = torch.cat([trial.pictures(members) for trial, members in zip(asked, settings, strict=True)])
            scores = self._scores(problem, pictures, joined(settings)).split([len(members) for members in settings])
            for trial, members, worth in zip(asked, settings, scores, strict=True):
                trial.tell(members, worth)
        return joined([trial.best() for trial in trials])

    @torch.no_grad()
    def _scores(self, problem: Problem, pictures: Tensor, rows: Rows) -> Tensor:
        """(N,): the objective of rows whose pictures (N, 3, R, R) are known."""
        found = []
        for part in problem.chunks(len(rows)):
            here, values = rows.picture[part], {name: value[part] for name, value in rows.values.items()}
            problem.evaluations.passed(here, len(networks(self.terms)))
            random = Streams(problem.seed, problem.keys, rows, part, "score")
            view = View(problem.targets, pictures[part], values, here, self.through, problem, random=random)
            found.append(score(self.terms, view).total)
        return torch.cat(found)

    def rows_out(self, rows):
        return rows

    def cost(self, rows):
        return rows * self.population * self.generations * len(networks(self.terms))

    def scaled(self, factor):
        return self.model_copy(update={"generations": max(1, round(self.generations * factor))})


class Trials:
    """The settings that are tried for the starts of one answer, and the best of each start so far."""

    def __init__(self, search: UnknownsSearch, problem: Problem, rows: Rows):
        picture, answer = int(rows.picture[0]), int(rows.answer[0])
        expected = problem.guesses[picture] if problem.guesses else {}
        self.rows, self.population, self.first = rows, search.population, True
        self.names = [name for name in rows.values if is_unknown(name) and expected[name].spread >= NARROWEST]
        self.scores = torch.full((len(rows),), torch.inf)
        if not self.names:
            return
        self.centre = torch.tensor([expected[name].position for name in self.names], dtype=torch.float64)
        self.spread = torch.tensor([expected[name].spread for name in self.names], dtype=torch.float64)
        seed = stream(problem.seed, f"{problem.keys[picture]} unknowns", answer).initial_seed() % 2**32
        self.optimizer = AskTell(search.optimizer, len(self.names), search.population, search.generations, seed)
        self.image = problem.pictures(rows)

    def ask(self) -> Rows:
        """Every start with every setting, the settings of a start side by side."""
        positions = (self.centre + self.spread * self.optimizer.ask()).clamp(0, 1)
        if self.first:
            positions[0], self.first = self.centre, False
        members = self.rows.take(torch.arange(len(self.rows)).repeat_interleave(self.population))
        for column, name in enumerate(self.names):
            value = members.values[name]
            members.values[name] = positions[:, column : column + 1].repeat(len(self.rows), 1).to(value)
        return members

    def pictures(self, members: Rows) -> Tensor:
        return self.image.repeat_interleave(len(members) // len(self.rows), 0)

    def tell(self, members: Rows, scores: Tensor) -> None:
        """Takes in what every start with every setting is worth (starts * population,)."""
        worth = scores.cpu().nan_to_num(nan=torch.inf).view(len(self.rows), self.population)
        self.optimizer.tell(worth.amin(0))
        best, which = worth.min(1)
        chosen = torch.arange(len(self.rows)) * self.population + which
        better = best < self.scores
        for name in self.names:
            mine = self.rows.values[name]
            mine[better] = members.values[name][chosen][better]
        self.scores = torch.minimum(self.scores, best)

    def best(self) -> Rows:
        """The starts, the best first."""
        return self.rows.take(self.scores.argsort(stable=True))
