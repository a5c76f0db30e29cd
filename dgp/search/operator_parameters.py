"""A coarse search over the unknown parameters of the degradation, for starts that stay what they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import PositiveInt, field_validator, model_validator
from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.errors import RecipeError
from dgp.search.ask_tell import AskTell, Optimizer, least_population
from dgp.search.base import SEARCHES, ScoringSearch
from dgp.variables.operator_parameters import is_operator_parameter
from dgp.variables.rows import Rows, concatenate

LEAST_SPREAD = 0.01  # of its range; a parameter that is known better is not searched


@SEARCHES.register("unknowns")
class OperatorParameterSearch(ScoringSearch):
    """Varies the unknown parameters around their expectation, and tries every setting on all starts.

    Every start takes the setting of its lowest objective. The starts come from the search before and are rendered once;
    a population of settings is one batch for all of them. The term ``unknowns`` holds the parameters to their
    expectation. Pictures whose degradation is known are returned as they are.

    optimizer: a method of nevergrad, as in ``evolution``; the loss of a setting is the least over the starts.
    population, generations: settings tried at once, and how often.
    """

    kind: str = "unknowns"
    optimizer: Optimizer = "two-points-de"
    population: PositiveInt = 16
    generations: PositiveInt = 6

    @field_validator("terms")
    @classmethod
    def _some_weight(cls, terms):
        if not any(term.weight for term in terms):
            raise ValueError("no term has a weight, so that settings cannot be told apart; give terms")
        return terms

    @model_validator(mode="after")
    def _possible(self):
        if self.population < least_population(self.optimizer):
            least = least_population(self.optimizer)
            raise ValueError(f"got a population of {self.population}, expected at least {least} for {self.optimizer}")
        return self

    def run(self, evaluator, source, rows):
        if rows is None:
            raise RecipeError("the search 'unknowns' varies nothing but the degradation; put a search before it")
        owners = [(int(rows.picture[start]), int(rows.answer[start])) for start, _ in rows.blocks()]
        trials = [begin_trials(self, evaluator, source, rows.of(*owner)) for owner in owners]
        open_trials = [trial for trial in trials if trial.names]
        for _ in range(self.generations if open_trials else 0):
            settings = [trial.ask() for trial in open_trials]
            pairs = zip(open_trials, settings, strict=True)
            images = torch.cat([trial.images_of(members) for trial, members in pairs])
            scores = evaluator.score(concatenate(settings), self.terms, self.through, images)
            parts = scores.split([len(members) for members in settings])
            for trial, members, losses in zip(open_trials, settings, parts, strict=True):
                trial.tell(members, losses)
        return concatenate([trial.best() for trial in trials])

    def rows_out(self, rows):
        return rows

    def cost(self, rows):
        return rows * self.population * self.generations * self.networks

    def scale(self, factor):
        return self.model_copy(update={"generations": max(1, round(self.generations * factor))})


@dataclass
class Trials:
    """The settings that are tried for the starts of one answer; made by ``begin_trials``.

    Attributes:
        rows: the starts, with the best setting of each so far.
        names: the parameters that are varied.
        centre, spread: mean and standard deviation of their positions, (d,) float64.
        optimizer: varies them; None where no parameter is open.
        population: settings tried at once.
        image: pictures of the starts, (S, 3, R, R); None where no parameter is open.
        scores: the least objective of each start so far, (S,).
        first: whether no population has been asked for.
    """

    rows: Rows
    names: list[str]
    centre: Tensor
    spread: Tensor
    optimizer: AskTell | None
    population: int
    image: Tensor | None
    scores: Tensor
    first: bool = True

    def ask(self) -> Rows:
        """Return every start with every setting; the settings of a start are contiguous."""
        positions = (self.centre + self.spread * self.optimizer.ask()).clamp(0, 1)
        if self.first:
            positions[0], self.first = self.centre, False
        members = self.rows.take(torch.arange(len(self.rows)).repeat_interleave(self.population))
        for column, name in enumerate(self.names):
            value = members.values[name]
            members.values[name] = positions[:, column : column + 1].repeat(len(self.rows), 1).to(value)
        return members

    def images_of(self, members: Rows) -> Tensor:
        """Return the pictures of what ``ask`` returned, (N, 3, R, R)."""
        return self.image.repeat_interleave(len(members) // len(self.rows), 0)

    def tell(self, members: Rows, scores: Tensor) -> None:
        """Give the objectives of every start with every setting, (starts * population,)."""
        losses = scores.cpu().nan_to_num(nan=torch.inf).view(len(self.rows), self.population)
        self.optimizer.tell(losses.amin(0))
        best, which = losses.min(1)
        chosen = torch.arange(len(self.rows)) * self.population + which
        better = best < self.scores
        for name in self.names:
            mine = self.rows.values[name]
            mine[better] = members.values[name][chosen][better]
        self.scores = torch.minimum(self.scores, best)

    def best(self) -> Rows:
        """Return the starts, the best first."""
        return self.rows.take(self.scores.argsort(stable=True))


def begin_trials(search: OperatorParameterSearch, evaluator: Evaluator, source: RowSource, rows: Rows) -> Trials:
    """Render the starts of one answer, and return their trials before the first population.

    Args:
        search: options of the search.
        evaluator: renders the starts.
        source: the expectations of the parameters.
        rows: starts of one answer.
    """
    picture, answer = int(rows.picture[0]), int(rows.answer[0])
    expected = source.expectations[picture] if source.expectations else {}
    parameters = [name for name in rows.values if is_operator_parameter(name)]
    names = [name for name in parameters if expected[name].spread >= LEAST_SPREAD]
    optimizer = image = None
    if names:
        optimizer = AskTell(
            search.optimizer,
            dimension=len(names),
            population=search.population,
            generations=search.generations,
            seed=source.stream(picture, answer, "unknowns").initial_seed() % 2**32,
        )
        image = evaluator.renderer.render(rows)
    return Trials(
        rows=rows,
        names=names,
        centre=torch.tensor([expected[name].position for name in names], dtype=torch.float64),
        spread=torch.tensor([expected[name].spread for name in names], dtype=torch.float64),
        optimizer=optimizer,
        population=search.population,
        image=image,
        scores=torch.full((len(rows),), torch.inf),
    )
