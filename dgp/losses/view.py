"""What the terms of an objective may look at: pictures of some rows, through the eyes of their observations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from dgp.observation import Observation
from generators import Discriminator


class Targets:
    """The observations of a run, with everything about them that never changes computed once."""

    def __init__(
        self,
        observations: Sequence[Observation],
        discriminator: Discriminator | None,
        size: tuple[int, int],
        device: str = "cpu",
    ):
        self.observations, self.discriminator, self.size = tuple(observations), discriminator, size
        groups: list[list[int]] = []
        for i, observation in enumerate(self.observations):
            mates = next((g for g in groups if shared(self.observations[g[0]], observation)), None)
            if mates is None:
                groups.append([i])
            else:
                mates.append(i)
        self.operators = [copy.deepcopy(self.observations[members[0]].degradation).to(device) for members in groups]
        self.y = [torch.cat([self.observations[i].y for i in members]).to(device) for members in groups]
        self.weight = [weights([self.observations[i] for i in members], device) for members in groups]
        # Picture i is the `place[i]`-th of the observations that share operator `kind[i]`.
        self.kind = torch.empty(len(self.observations), dtype=torch.long)
        self.place = torch.empty_like(self.kind)
        for kind, members in enumerate(groups):
            self.kind[members] = kind
            self.place[members] = torch.arange(len(members))

    @cached_property
    def features(self) -> list[Tensor]:
        """Of the lifted observations, shallow to deep, each (pictures, ...)."""
        with torch.no_grad():
            lifted = torch.cat(
                [
                    self.operators[kind].lift(self.y[kind][place : place + 1], self.size)
                    for kind, place in zip(self.kind.tolist(), self.place.tolist(), strict=True)
                ]
            )
            chunks = [self.discriminator.features(chunk) for chunk in lifted.split(16)]
            return [torch.cat(parts) for parts in zip(*chunks, strict=True)]


def shared(one: Observation, other: Observation) -> bool:
    """Whether one operator serves both, and their observations can be stacked."""
    return one.y.shape == other.y.shape and one.degradation.same_as(other.degradation)


def weights(observations: Sequence[Observation], device: str) -> Tensor | None:
    """(n, 1, h, w), each of mean 1; None where no observation has any."""
    if all(o.weight is None for o in observations):
        return None
    maps = [torch.ones(1, 1, *o.y.shape[-2:]) if o.weight is None else o.weight for o in observations]
    return torch.cat([m / m.mean() for m in maps]).to(device)


class View:
    """Rows of one evaluation.

    image (N, 3, R, R) in [-1, 1]; values: the variables of these rows, each (N, ...); pictures (N,): the
    observation that each row explains; through: "forward" (the differentiable operator) or "measure" (the true one).
    """

    def __init__(
        self, targets: Targets, image: Tensor, values: dict[str, Tensor], pictures: Tensor, through: str = "forward"
    ):
        self.targets, self.image, self.values, self.pictures, self.through = targets, image, values, pictures, through

    @cached_property
    def _parts(self) -> list[tuple[Tensor, Tensor, Tensor, int]]:
        """(rows, prediction, observation, operator) of each group of rows that shares an operator."""
        parts = []
        kinds = self.targets.kind[self.pictures]
        for kind in kinds.unique().tolist():
            rows = (kinds == kind).nonzero()[:, 0]
            image = self.image if len(rows) == len(kinds) else self.image[rows]
            operator = self.targets.operators[kind]
            prediction = operator.measure(image) if self.through == "measure" else operator(image)
            parts.append((rows, prediction, self.targets.y[kind][self.targets.place[self.pictures[rows]]], kind))
        return parts

    def _join(self, pieces: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Values of groups of rows, put back in the order of the rows."""
        if len(pieces) == 1:
            return pieces[0][1]
        order = torch.cat([rows for rows, _ in pieces]).argsort()
        return torch.cat([values for _, values in pieces])[order]

    def compare(self, difference: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Of each row the mean of ``difference(phi(x), y)``, (n, c, h, w) each, by its weights: (N,)."""
        means = []
        for rows, prediction, y, kind in self._parts:
            values = difference(prediction, y)
            weight = self.targets.weight[kind]
            if weight is not None:
                values = values * weight[self.targets.place[self.pictures[rows]]]
            means.append((rows, values.flatten(1).mean(1)))
        return self._join(means)

    @cached_property
    def features(self) -> list[Tensor]:
        """Discriminator features of the lifted predictions, shallow to deep."""
        lifted = self._join(
            [
                (rows, self.targets.operators[kind].lift(prediction, self.targets.size))
                for rows, prediction, _, kind in self._parts
            ]
        )
        return self.targets.discriminator.features(lifted)

    @cached_property
    def target_features(self) -> list[Tensor]:
        return [f[self.pictures] for f in self.targets.features]
