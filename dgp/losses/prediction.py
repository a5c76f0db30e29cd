"""What the terms of an objective may look at: pictures of some rows, through the eyes of their observations."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from degradations import Degradation
from dgp.observation.observation import Observation
from dgp.variables.operator_parameters import known
from generators import Discriminator, Prior

if TYPE_CHECKING:
    from dgp.engine.evaluator import Problem
    from dgp.random_streams import Streams


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

        self.missing = [missing(operator, y) for operator, y in zip(self.operators, self.y, strict=True)]
        self._cache: dict[Hashable, Tensor | list[Tensor]] = {}
        self._moved: dict[tuple[int, ...], Tensor] = {}

    @cached_property
    def lifted(self) -> Tensor:
        """(pictures, 3, R, R): the observations as a discriminator looks at them."""
        places = zip(self.kind.tolist(), self.place.tolist(), strict=True)
        with torch.no_grad():
            return torch.cat([self.operators[k].lift(self.y[k][p : p + 1], self.size) for k, p in places])

    def moved(self, index: Tensor) -> Tensor:
        """An index (n,) that lies on the CPU, on the device: moved once, since the same rows come in every step, and
        every move waits for all that the device has yet to do."""
        if self.y[0].device == index.device:
            return index
        key = tuple(index.tolist())
        if key not in self._moved:
            self._moved[key] = index.to(self.y[0].device)
        return self._moved[key]

    def once(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What ``make`` makes, of nothing that a run moves."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    def cached(
        self, key: Hashable, make: Callable[[Tensor], Tensor | list[Tensor]], kind: int | None = None
    ) -> Tensor | list[Tensor]:
        """What ``make`` makes of the lifted observations (n, 3, R, R), a few at a time, made once.

        make: -> a tensor (n, ...), or a list of them.
        kind: of the observations (n, c, h, w) that share operator ``kind`` instead, as they are.
        """
        if (kind, key) not in self._cache:
            observations = self.lifted if kind is None else self.y[kind]
            with torch.no_grad():
                made = [make(chunk) for chunk in observations.split(16)]
            lists = isinstance(made[0], list)
            self._cache[kind, key] = [torch.cat(m) for m in zip(*made, strict=True)] if lists else torch.cat(made)
        return self._cache[kind, key]

    @cached_property
    def backdrop(self) -> Tensor:
        """(pictures, 3, R, R): pictures that explain the observations without any prior (``Observation.backdrop``)."""
        return torch.cat([o.backdrop for o in self.observations]).to(self.y[0].device)

    @cached_property
    def share(self) -> Tensor:
        """(pictures, 1, R, R) in [0, 1]: how much each pixel of x counts (``Observation.share``); 1 without weights."""
        whole = torch.ones(1, 1, *self.size)
        shares = [whole if o.share is None else o.share for o in self.observations]
        return torch.cat(shares).to(self.y[0].device)

    @cached_property
    def boxes(self) -> Tensor:
        """(pictures, 4): centre x and y, width and height, in parts of the side, of the box around all pixels that
        count more than half of what counts most; NaN without weights."""
        return torch.stack([torch.full((4,), torch.nan) if o.share is None else box_of(o) for o in self.observations])

    @property
    def features(self) -> list[Tensor]:
        """Of the lifted observations, shallow to deep, each (pictures, ...)."""
        return self.cached("discriminator", self.discriminator.features)


def shared(one: Observation, other: Observation) -> bool:
    """Whether one operator serves both, and their observations can be stacked."""
    return one.y.shape == other.y.shape and one.degradation.same_as(other.degradation)


def weights(observations: Sequence[Observation], device: str) -> Tensor | None:
    """(n, 1, h, w), each of mean 1; None where no observation has any."""
    if all(o.weight is None for o in observations):
        return None
    maps = [torch.ones(1, 1, *o.y.shape[-2:]) if o.weight is None else o.weight for o in observations]
    return torch.cat([m / m.mean() for m in maps]).to(device)


def box_of(observation: Observation) -> Tensor:
    """(4,), see ``Targets.boxes``."""
    counts = observation.share[0, 0] > 0.5
    edges = [(line.nonzero()[0, 0], line.nonzero()[-1, 0] + 1) for line in (counts.any(0), counts.any(1))]
    (left, right), (top, bottom) = ((a / len(counts), b / len(counts)) for a, b in edges)
    return torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])


def missing(operator: Degradation, y: Tensor) -> Tensor | None:
    """(1 or n, 1, h, w) bool: where y (n, c, h, w) holds no evidence; None where it all does."""
    hidden = operator.uninformative(tuple(y.shape[-2:]))
    if hidden is None or tuple(operator.size(tuple(y.shape[-2:]))) != tuple(y.shape[-2:]):
        return None
    return hidden[:, None].to(y.device)


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a View that share an operator.

    rows (n,): their indices.  prediction, y (n, c, h, w): phi(x), and what was observed.
    kind: the number of the operator in the Targets.  place (n,): of the rows' observations among those that share it,
    on their device.
    weight (n, 1, h, w), of mean 1, or None.  missing (n, 1, h, w) bool: what of y is no evidence, or None.
    """

    rows: Tensor
    prediction: Tensor
    y: Tensor
    operator: Degradation
    weight: Tensor | None
    missing: Tensor | None
    kind: int
    place: Tensor


class View:
    """Rows of one evaluation.

    image (N, 3, R, R) in [-1, 1]; values: the variables of these rows, each (N, ...); pictures (N,): the observation
    that each row explains; through: "forward" (the differentiable operator), "measure" (the true one) or "sampled"
    (the differentiable one, and noise of its model).
    problem: the prior, and what renders.  weights: released parameters, each (N, ...).  random: of each row.
    """

    def __init__(
        self,
        targets: Targets,
        image: Tensor,
        values: dict[str, Tensor],
        pictures: Tensor,
        through: str = "forward",
        problem: Problem | None = None,
        *,
        weights: dict[str, Tensor] | None = None,
        random: Streams | None = None,
    ):
        self.targets, self.image, self.values, self.pictures, self.through = targets, image, values, pictures, through
        self.problem, self.weights, self.random = problem, weights or {}, random

    @property
    def prior(self) -> Prior:
        return self.problem.prior

    @cached_property
    def latents(self) -> dict[str, Tensor]:
        """The generator's inputs that the values stand for, each (N, ...)."""
        return self.problem.charted.latents(self.values)

    def render(self, latents: dict[str, Tensor], weights: dict[str, Tensor] | None = None) -> Tensor:
        """(N, 3, R, R) of other inputs of the generator, by the prior's weights or by those of each row."""
        self.problem.evaluations.rendered(self.pictures)
        self.looked()
        return self.problem.generated(latents, weights or {})

    def looked(self, rows: Tensor | None = None) -> None:
        """Counts a pass of all rows, or of those at ``rows``, through a network, beyond the one for each of a term's
        ``networks``."""
        if self.problem is not None:
            self.problem.evaluations.passed(self.pictures if rows is None else self.pictures[rows], 1)

    @cached_property
    def parts(self) -> list[Part]:
        """The rows in groups that share an operator."""
        parts, targets = [], self.targets
        kinds = targets.kind[self.pictures]
        for kind in kinds.unique().tolist():
            rows = (kinds == kind).nonzero()[:, 0]
            whole = len(rows) == len(kinds)
            place = targets.moved(targets.place[self.pictures[rows]])
            values = self.values if whole else {n: v[targets.moved(rows)] for n, v in self.values.items()}
            operator = known(targets.operators[kind], values)
            prediction = self._predicted(operator, rows, whole)
            weight, missing = targets.weight[kind], targets.missing[kind]
            parts.append(
                Part(
                    rows,
                    prediction,
                    targets.y[kind][place],
                    operator,
                    None if weight is None else weight[place],
                    None if missing is None else missing.expand(len(targets.y[kind]), -1, -1, -1)[place],
                    kind,
                    place,
                )
            )
        return parts

    def _predicted(self, operator: Degradation, rows: Tensor, whole: bool) -> Tensor:
        image = self.image if whole else self.image[self.targets.moved(rows)]
        if self.through == "forward" or (self.through == "sampled" and operator.noise is None):
            return operator(image)
        streams = None if self.random is None else [self.random.generators[row] for row in rows.tolist()]
        if self.through == "measure":
            return operator.measure(image, streams)
        return operator.noise.sample(operator(image), streams)

    def join(self, pieces: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """(rows, values) of groups of rows -> the values in the order of the rows."""
        if len(pieces) == 1:
            return pieces[0][1]
        order = torch.cat([rows for rows, _ in pieces]).argsort()
        return torch.cat([values for _, values in pieces])[self.targets.moved(order)]

    def compare(self, difference: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Of each row the mean of ``difference(phi(x), y)``, (n, c, h, w) each, by its weights: (N,)."""
        means = []
        for part in self.parts:
            values = difference(part.prediction, part.y)
            if part.weight is not None:
                values = values * part.weight
            means.append((part.rows, values.flatten(1).mean(1)))
        return self.join(means)

    @cached_property
    def lifted(self) -> Tensor:
        """(N, 3, R, R): the predictions as a discriminator looks at them."""
        size = self.targets.size
        return self.join([(part.rows, part.operator.lift(part.prediction, size)) for part in self.parts])

    @cached_property
    def target_lifted(self) -> Tensor:
        """(N, 3, R, R): the observations as a discriminator looks at them."""
        return self.targets.lifted[self.targets.moved(self.pictures)]

    @cached_property
    def features(self) -> list[Tensor]:
        """Discriminator features of the lifted predictions, shallow to deep."""
        return self.targets.discriminator.features(self.lifted)

    @cached_property
    def target_features(self) -> list[Tensor]:
        index = self.targets.moved(self.pictures)
        return [f[index] for f in self.targets.features]
