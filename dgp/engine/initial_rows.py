"""The source of initial rows: draws from the prior, or known latents, with all variables that the recipe names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dgp.engine.apportionment import apportion
from dgp.errors import RecipeError
from dgp.observation.estimate import Expectation
from dgp.observation.observation import Observation
from dgp.random_streams import random_stream
from dgp.variables.constraints import Constraint
from dgp.variables.operator_parameters import draw_positions
from dgp.variables.parametrizations import Parametrization, default_parametrization
from dgp.variables.rows import Rows
from generators import Prior
from generators.text import pluralise


@dataclass(frozen=True)
class RowSource:
    """Makes initial rows for the answers of a run.

    Attributes:
        prior: the prior from which latents are drawn.
        observations: the observations of the run.
        seed: seed of the run.
        num_solutions: answers to each observation.
        space: latents in which rows start.
        parametrizations, constraints: of the variables that the recipe names.
        expectations: of each observation, where its unknown parameters are expected, by variable.
    """

    prior: Prior
    observations: Sequence[Observation]
    seed: int
    num_solutions: int
    space: str = "z"
    parametrizations: Mapping[str, Parametrization] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    expectations: Sequence[Mapping[str, Expectation]] = ()

    @property
    def owners(self) -> list[tuple[int, int]]:
        """(picture, answer) of every answer of the run."""
        return [(p, a) for p in range(len(self.observations)) for a in range(self.num_solutions)]

    @property
    def parametrization(self) -> Parametrization:
        """That of the variable in which rows start."""
        return self.parametrizations.get(self.space, default_parametrization(self.space))

    def stream(self, picture: int, answer: int, purpose: str = "") -> torch.Generator:
        """Return the random generator of an answer for one purpose, a text such as "mean"."""
        key = self.observations[picture].key
        return random_stream(self.seed, f"{key} {purpose}" if purpose else key, answer)

    def draw(self, picture: int, answer: int, count: int, std: float = 1.0) -> Rows:
        """Return the first ``count`` rows of an answer, drawn from its own stream.

        Args:
            picture: index of the observation.
            answer: index of the answer.
            count: number of rows.
            std: factor on standard normal latents.
        """
        random, generator = self.stream(picture, answer), self.prior.generator
        values = generator.sample(count, classes=self.draw_labels(picture, count, random), generator=random)
        for spec in generator.info.latents:
            if spec.chart == "z" and spec.name in values:
                values[spec.name] = values[spec.name] * std
        return self.rows(picture, answer, self._initialize(values, picture, count, random))

    def rows(self, picture: int, answer: int, values: dict[str, Tensor]) -> Rows:
        """Return rows of one answer with the given variables, each (count, ...)."""
        count = len(next(iter(values.values())))
        return Rows(torch.full((count,), picture), torch.full((count,), answer), values)

    def draw_labels(self, picture: int, count: int, random: torch.Generator) -> Tensor | None:
        """Return class numbers of rows, (count,), or None for a prior without classes.

        The picture's class; if it is not given, classes in proportion to their probabilities in a random order; all of
        them evenly where the observation states no probabilities.
        """
        classes = len(self.prior.generator.info.classes)
        if not classes:
            return None
        observation = self.observations[picture]
        if observation.label is not None:
            return torch.full((count,), observation.label)
        if observation.class_probabilities is not None:
            order = torch.randperm(count, generator=random)
            return apportion(observation.class_probabilities, count)[order]
        order = torch.randperm(classes, generator=random)
        return order.repeat(-(-count // classes))[:count]

    @torch.no_grad()
    def start_at(
        self, latents: dict[str, Tensor], picture: int, count: int, random: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the variables of rows that start at known inputs of the generator.

        Args:
            latents: inputs by name, each (count, ...).
            picture: index of the observation.
            count: number of rows.
            random: source of what else is drawn.

        Raises:
            RecipeError: the run starts in variables that latents do not determine, such as codes.
        """
        parametrization, info = self.parametrization, self.prior.generator.info
        named = {spec.name for spec in info.latents}
        if parametrization.provides(self.space, info) != (self.space,) or self.space not in named:
            raise RecipeError(
                f"a run in {self.space!r} cannot begin at a picture's latents; set space to z or w, or draw by best-of"
            )
        values = latents if self.space in latents else self.prior.generator.convert(latents, self.space)
        values = values | {self.space: parametrization.from_latent(values[self.space], self.prior)}
        return self.add_auxiliary(values, picture, count, random)

    def add_auxiliary(
        self, values: dict[str, Tensor], picture: int, count: int, random: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the values with all other variables that the recipe names, initialized where they are absent."""
        info = self.prior.generator.info
        for name, parametrization in self.parametrizations.items():
            if parametrization.auxiliary and not set(parametrization.provides(name, info)) <= values.keys():
                values = parametrization.initialize(name, values, count=count, prior=self.prior, random=random)
        return self._draw_parameters(picture, count, random) | values

    @torch.no_grad()
    def _initialize(
        self, drawn: dict[str, Tensor], picture: int, count: int, random: torch.Generator
    ) -> dict[str, Tensor]:
        """Return drawn latents in the space of the run, with all other variables that the recipe names."""
        info = self.prior.generator.info
        parametrizations = {self.space: default_parametrization(self.space)} | dict(self.parametrizations)
        for name in (self.space, *(name for name, one in parametrizations.items() if one.auxiliary)):
            if parametrizations[name].provides(name, info):
                drawn = parametrizations[name].initialize(name, drawn, count=count, prior=self.prior, random=random)
        return drawn | self._draw_parameters(picture, count, random)

    def _draw_parameters(self, picture: int, count: int, random: torch.Generator) -> dict[str, Tensor]:
        """Draw the unknown parameters of the run, each (count, 1); the first row is at its expectation."""
        if not self.expectations:
            return {}
        drawn = draw_positions(self.expectations[picture], count, random)
        return {name: value.to(self.prior.generator.device) for name, value in drawn.items()}

    def __repr__(self) -> str:
        pictures, answers = pluralise(len(self.observations), "picture"), pluralise(self.num_solutions, "answer")
        return f"RowSource: {pictures}, {answers} each, {self.prior.name}, space {self.space}, seed {self.seed}"
