"""The observations of a run, stacked by operator, with everything about them that never changes computed once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from degradations import Degradation
from dgp.observation.coarser import coarsen
from dgp.observation.observation import Observation
from dgp.observation.resizing import resize
from generators import Discriminator


@dataclass(eq=False)
class ObservationBatch:
    """Observations that are explained together; made by ``stack_observations``.

    Attributes:
        observations: P of them.
        discriminator: network whose features compare pictures, or None.
        size: (R, R), of the pictures that are compared with the observations.
        operators: one for each group of observations that share it, on the device.
        y: observed values of each group, (n, c, h, w).
        weight: weights of each group's values, (n, 1, h, w) of mean 1; None: all alike.
        missing: where each group's y holds no evidence, (1 or n, 1, h, w) bool; None: nowhere.
        group: index of the operator of each observation, (P,) int64 on the CPU.
        position: index of each observation within its group, (P,) int64 on the CPU.
        discriminator_size: of the pictures that the discriminator takes; None: ``size``.
    """

    observations: tuple[Observation, ...]
    discriminator: Discriminator | None
    size: tuple[int, int]
    operators: list[Degradation]
    y: list[Tensor]
    weight: list[Tensor | None]
    missing: list[Tensor | None]
    group: Tensor
    position: Tensor
    discriminator_size: tuple[int, int] | None = None
    _cache: dict[Hashable, Tensor | list[Tensor]] = field(default_factory=dict, repr=False)
    _on_device: dict[tuple[int, ...], Tensor] = field(default_factory=dict, repr=False)

    def to_device(self, index: Tensor) -> Tensor:
        """Return an index (n,) that lies on the CPU on the device of the observations.

        Each is copied once: the same rows come in every step, and a copy waits for all pending work of the device.
        """
        if self.y[0].device == index.device:
            return index
        key = tuple(index.tolist())
        if key not in self._on_device:
            self._on_device[key] = index.to(self.y[0].device)
        return self._on_device[key]

    def cache(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """Return what ``compute`` returned when the key was first asked for; it may not depend on optimised values."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    def cache_of_observations(
        self, key: Hashable, compute: Callable[[Tensor], Tensor | list[Tensor]], group: int | None = None
    ) -> Tensor | list[Tensor]:
        """Return what ``compute`` makes of the observations, sixteen at a time, computed when first asked for.

        Args:
            key: names the result.
            compute: maps pictures (n, 3, R, R), the lifted observations, to a tensor (n, ...) or a list of them.
            group: compute of the y (n, c, h, w) of this group instead.
        """
        if (group, key) not in self._cache:
            pictures = self.lifted if group is None else self.y[group]
            with torch.no_grad():
                chunks = [compute(chunk) for chunk in pictures.split(16)]
            several = isinstance(chunks[0], list)
            joined = [torch.cat(parts) for parts in zip(*chunks, strict=True)] if several else torch.cat(chunks)
            self._cache[group, key] = joined
        return self._cache[group, key]

    @cached_property
    def lifted(self) -> Tensor:
        """The observations as pictures, as a discriminator sees them, (P, 3, R, R)."""
        places = zip(self.group.tolist(), self.position.tolist(), strict=True)
        with torch.no_grad():
            return torch.cat([self.operators[k].lift(self.y[k][p : p + 1], self.size) for k, p in places])

    @property
    def features(self) -> list[Tensor]:
        """Discriminator features of the lifted observations, shallow to deep, each (P, ...)."""
        return self.cache_of_observations("discriminator", self.extract_features)

    def extract_features(self, pictures: Tensor) -> list[Tensor]:
        """Return discriminator features of pictures (N, 3, h, w), resized to its size, shallow to deep."""
        return self.discriminator.features(self.fit_discriminator(pictures))

    def fit_discriminator(self, pictures: Tensor) -> Tensor:
        """Return pictures (N, 3, h, w) at the size of those that the discriminator takes."""
        return resize(pictures, self.discriminator_size or self.size)

    def at(self, side: int, members: Sequence[int]) -> ObservationBatch:
        """Return the batch of the same observations of coarser pictures (`dgp.observation.coarser`).

        Args:
            side: of those pictures.
            members: indices of observations, all of which can be coarsened so; nothing is asked of the others.
        """
        coarse = {index: coarsen(self.observations[index], side) for index in members}
        stand_in = coarse[members[0]]
        every = [coarse.get(index, stand_in) for index in range(len(self.observations))]
        batch = stack_observations(every, self.discriminator, (side, side), self.y[0].device)
        return replace(batch, discriminator_size=self.discriminator_size or self.size)

    @cached_property
    def backdrop(self) -> Tensor:
        """Pictures that explain the observations without a prior, (P, 3, R, R): see ``Observation.backdrop``."""
        return torch.cat([o.backdrop for o in self.observations]).to(self.y[0].device)

    @cached_property
    def pixel_weight(self) -> Tensor:
        """How much each pixel of x counts, (P, 1, R, R) in [0, 1]; 1 without weights (``Observation.pixel_weight``)."""
        whole = torch.ones(1, 1, *self.size)
        weights = [whole if o.pixel_weight is None else o.pixel_weight for o in self.observations]
        return torch.cat(weights).to(self.y[0].device)

    @cached_property
    def boxes(self) -> Tensor:
        """The box around the pixels that count more than half of the maximum, (P, 4); NaN without weights.

        Centre x and y, width and height, as fractions of the side.
        """
        none = torch.full((4,), torch.nan)
        return torch.stack(
            [none if o.pixel_weight is None else bounding_box(o.pixel_weight) for o in self.observations]
        )


def stack_observations(
    observations: Sequence[Observation],
    discriminator: Discriminator | None,
    size: tuple[int, int],
    device: str = "cpu",
) -> ObservationBatch:
    """Stack the observations that share an operator, and copy them to a device.

    Args:
        observations: P of them.
        discriminator: network whose features compare pictures, or None.
        size: (R, R), of the prior's pictures.
        device: where y, weights and operators are kept.
    """
    groups = group_by_operator(observations)
    stacks = [[observations[i] for i in members] for members in groups]
    operators = [copy.deepcopy(members[0].degradation).to(device) for members in stacks]
    y = [torch.cat([one.y for one in members]).to(device) for members in stacks]
    group = torch.empty(len(observations), dtype=torch.long)
    position = torch.empty_like(group)
    for number, members in enumerate(groups):
        group[members] = number
        position[members] = torch.arange(len(members))
    return ObservationBatch(
        observations=tuple(observations),
        discriminator=discriminator,
        size=size,
        operators=operators,
        y=y,
        weight=[stack_weights(members, device) for members in stacks],
        missing=[find_missing(operator, one) for operator, one in zip(operators, y, strict=True)],
        group=group,
        position=position,
    )


def group_by_operator(observations: Sequence[Observation]) -> list[list[int]]:
    """Return groups of indices of observations that share an operator and whose y can be stacked."""
    groups: list[list[int]] = []
    for i, observation in enumerate(observations):
        for members in groups:
            first = observations[members[0]]
            if first.y.shape == observation.y.shape and first.degradation.same_as(observation.degradation):
                members.append(i)
                break
        else:
            groups.append([i])
    return groups


def stack_weights(observations: Sequence[Observation], device: str) -> Tensor | None:
    """Return the weights of observations, (n, 1, h, w), each of mean 1; None where no observation has any."""
    if all(o.weight is None for o in observations):
        return None
    maps = [torch.ones(1, 1, *o.y.shape[-2:]) if o.weight is None else o.weight for o in observations]
    return torch.cat([m / m.mean() for m in maps]).to(device)


def bounding_box(pixel_weight: Tensor) -> Tensor:
    """Return centre x and y, width and height, (4,), of the box around a weight (1, 1, R, R) above one half."""
    counts = pixel_weight[0, 0] > 0.5
    edges = [(line.nonzero()[0, 0], line.nonzero()[-1, 0] + 1) for line in (counts.any(0), counts.any(1))]
    (left, right), (top, bottom) = ((a / len(counts), b / len(counts)) for a, b in edges)
    return torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])


def find_missing(operator: Degradation, y: Tensor) -> Tensor | None:
    """Return where y (n, c, h, w) holds no evidence, (1 or n, 1, h, w) bool; None where all of it does.

    Only operators whose y has the pixels of x are asked.
    """
    hidden = operator.uninformative(tuple(y.shape[-2:]))
    if hidden is None or tuple(operator.size(tuple(y.shape[-2:]))) != tuple(y.shape[-2:]):
        return None
    return hidden[:, None].to(y.device)
