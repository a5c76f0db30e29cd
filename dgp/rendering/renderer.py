"""Rendering rows: x = T(G(p(v); theta)), with variables v, parametrizations p, weights theta and image transforms T."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from dgp.observation.batch import ObservationBatch
from dgp.process.determinism import is_deterministic
from dgp.rendering.memory import PIXELS_AT_ONCE, MemoryPlan, split_rows
from dgp.variables.parametrizations import ImageTransform, Parametrization
from dgp.variables.rows import Rows
from generators import Prior

Found = TypeVar("Found")


class Evaluations:
    """Counts, for each picture, how often its rows were rendered and what that cost.

    A pass of a row forward through a network costs 1, forward and backward 3; the networks of the terms cost what the
    generator does. ``forward``, ``backward`` and ``cost`` are the sums over pictures.

    Attributes:
        listener: called with ``cost`` whenever it has grown.
    """

    KINDS = ("forward", "backward", "cost")

    def __init__(self, pictures: int):
        self._counts = torch.zeros(3, pictures, dtype=torch.long)
        self.listener: Callable[[int], None] = lambda cost: None

    def count_renders(self, pictures: Tensor) -> None:
        """Count a pass through the generator for each of ``pictures`` (n,)."""
        self._counts[0] += pictures.bincount(minlength=self._counts.shape[1])
        if torch.is_grad_enabled():
            self._counts[1] += pictures.bincount(minlength=self._counts.shape[1])

    def count_passes(self, pictures: Tensor, networks: int) -> None:
        """Count the cost of passes of rows that explain ``pictures`` (n,) through so many networks."""
        each = networks * (3 if torch.is_grad_enabled() else 1)
        self._counts[2] += each * pictures.bincount(minlength=self._counts.shape[1])
        self.listener(self.cost)

    @property
    def counts(self) -> Tensor:
        """A copy of all counts, (kinds, pictures) int64."""
        return self._counts.clone()

    def add(self, counts: Tensor) -> None:
        """Add counts (kinds, pictures) of evaluations that were made before an interruption."""
        self._counts += counts
        self.listener(self.cost)

    def of(self, picture: int) -> dict[str, int]:
        """Return the counts of one picture by kind."""
        return dict(zip(self.KINDS, self._counts[:, picture].tolist(), strict=True))

    forward, backward, cost = (property(lambda self, kind=kind: int(self._counts[kind].sum())) for kind in range(3))

    def __repr__(self) -> str:
        return f"Evaluations: {self.forward} forward, {self.backward} backward, cost {self.cost}"


class Renderer:
    """Renders rows by a prior, each with its own variables and released weights.

    Args:
        prior: the generator, and the statistics of its latents.
        parametrizations: of the variables that the recipe names.
        batch: the observations, into whose frames image transforms place the generator's pictures.

    Attributes:
        resolution: R, pixels a side of the generator's pictures.
        evaluations: counts of the run, to which coarser renderers (``at``) add theirs.
        memory: how many rows are rendered at once, which coarser renderers share.
    """

    def __init__(self, prior: Prior, parametrizations: Mapping[str, Parametrization], batch: ObservationBatch):
        self.prior, self.parametrizations, self.batch = prior, dict(parametrizations), batch
        self.resolution = prior.generator.info.resolution
        self.evaluations, self.memory = Evaluations(len(batch.observations)), MemoryPlan(single=is_deterministic())
        self._coarser: dict[tuple[int, ...], Renderer] = {}
        self._generator = _WeightedGenerator(prior.generator)
        # A parametrization that keeps the default ``to_latents`` is the identity.
        self._conversions = {
            name: one for name, one in self.parametrizations.items() if type(one).to_latents is not _IDENTITY
        }
        info = prior.generator.info
        self._converted = {value for name, one in self._conversions.items() for value in one.provides(name, info)}
        self._transforms = {name: one for name, one in self.parametrizations.items() if isinstance(one, ImageTransform)}

    def at(self, side: int, members: Sequence[int]) -> Renderer:
        """Return the renderer of coarser pictures for some of the observations; it is made once.

        Args:
            side: pixels a side, one of the generator's ``resolutions``.
            members: indices of observations that can be looked at so (`dgp.observation.coarser`).
        """
        if side == self.resolution:
            return self
        key = (side, *members)
        if key not in self._coarser:
            coarser = Renderer(self.prior, self.parametrizations, self.batch.at(side, members))
            coarser.resolution, coarser.evaluations, coarser.memory = side, self.evaluations, self.memory
            self._coarser[key] = coarser
        return self._coarser[key]

    def __call__(self, values: dict[str, Tensor], weights: dict[str, Tensor], pictures: Tensor) -> Tensor:
        """Render the pictures that are compared with the observations.

        Args:
            values: variables by name, each (N, ...).
            weights: released parameters of the generator by name, each (N, ...); empty: the prior's own.
            pictures: index of the observation of each row, (N,).

        Returns:
            (N, 3, R, R) in [-1, 1].
        """
        image = self.generate(values, weights)
        for name, transform in self._transforms.items():
            if name in values:
                image = transform.transform(image, values[name], self.batch, pictures)
        return image

    def generate(self, values: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
        """Return the generator's pictures of variables (N, ...), before image transforms, (N, 3, R, R)."""
        return self._generate(lambda row: self._draw(self.latents(row)), values, weights)

    def generate_from_latents(self, latents: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
        """Return the generator's pictures of its own inputs (N, ...), (N, 3, R, R)."""
        return self._generate(self._draw, latents, weights)

    def _generate(self, draw: Callable, values: dict[str, Tensor], weights: dict[str, Tensor]) -> Tensor:
        if weights:
            return torch.cat(self._map_rows(draw, values, weights))
        with self._recomputing({}):
            return draw(values)

    def _draw(self, latents: dict[str, Tensor]) -> Tensor:
        return self.prior.generator.draw(latents, self.resolution)

    def latents(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the generator's inputs, each (N, ...), of variables (N, ...)."""
        latents = {name: value for name, value in values.items() if name not in self._converted}
        for name, parametrization in self._conversions.items():
            if name in values:
                latents |= parametrization.to_latents(name, values, self.prior)
        return latents

    @torch.no_grad()
    def coverage(self, rows: Rows) -> Tensor | None:
        """Return how much of each pixel of the answers the generator made, (N, 1, R, R) in [0, 1]; None: all of it."""
        found = [
            transform.coverage(rows.values[name], self.batch, rows.picture)
            for name, transform in self._transforms.items()
            if name in rows.values
        ]
        return torch.stack(found).prod(0) if found else None

    @torch.no_grad()
    def render(self, rows: Rows) -> Tensor:
        """Return the pictures of rows, (N, 3, R, R) in [-1, 1], without gradients and without counting them."""

        def render_part(part: slice | Tensor) -> Tensor:
            values = {name: value[part] for name, value in rows.values.items()}
            weights = {name: weight[part] for name, weight in rows.weights.items()}
            return self(values, weights, rows.picture[part])

        parts = [part for block in self.blocks(len(rows)) for part in self.memory.split(block, self.resolution)]
        return torch.cat(self.memory.evaluate(parts, self.resolution, render_part))

    @torch.no_grad()
    def inputs(self, rows: Rows) -> dict[str, Tensor]:
        """Return the generator's inputs of rows: ``generator(inputs)``, with the row's weights, is its picture."""
        return self._collect(self.latents, rows)

    @torch.no_grad()
    def capture_norm(self, rows: Rows) -> dict[str, Tensor]:
        """Return the instance norms that replace the stored statistics of each row, by name."""
        return self._collect(lambda values: self.prior.generator.capture_norm(self.latents(values)), rows)

    @torch.no_grad()
    def convert(self, rows: Rows, space: str) -> dict[str, Tensor]:
        """Return the variables of rows at the same pictures, with their latents in a wider space.

        Args:
            rows: N rows.
            space: "w", "w+", "w++" or "feature@k".
        """
        found = self._collect(lambda values: self._convert(values, space), rows)
        return {name: value.clone(memory_format=torch.contiguous_format) for name, value in found.items()}

    def _convert(self, values: dict[str, Tensor], space: str) -> dict[str, Tensor]:
        info, before = self.prior.generator.info, self.latents(values)
        after = self.prior.generator.convert(before, space)
        auxiliary = {
            value for name, one in self.parametrizations.items() if one.auxiliary for value in one.provides(name, info)
        }
        unchanged = {name: value for name, value in values.items() if name in after or name in auxiliary}
        gained = {name: value for name, value in after.items() if name not in unchanged}
        for name in gained.keys() & self.parametrizations.keys():
            gained[name] = self.parametrizations[name].from_latent(gained[name], self.prior)
        return unchanged | gained

    def blocks(self, rows: int | Tensor) -> Iterator[slice | Tensor]:
        """Split rows into parts whose forward and backward pass should fit into memory, whatever was found to fit.

        Args:
            rows: a number of rows, or the indices (n,) of some.
        """
        yield from split_rows(rows, self.rows_at_once)

    @property
    def rows_at_once(self) -> int:
        return max(1, PIXELS_AT_ONCE // self.resolution**2)

    @cached_property
    def network_cost(self) -> int:
        """Passes through the generator that the picture of a row costs."""
        depth = self.prior.generator.depth
        return 1 + sum(one.network_cost(depth) for one in self.parametrizations.values())

    @property
    def w_deviation(self) -> float:
        """Root mean squared distance of w from its mean (Karras et al. 2020, appendix D)."""
        return float(self.prior.statistics.std.square().sum().sqrt())

    def _collect(self, function: Callable[[dict[str, Tensor]], dict[str, Tensor]], rows: Rows) -> dict[str, Tensor]:
        """Return ``function`` of the variables of all rows, each row under its own weights."""
        if rows.weights:
            found = self._map_rows(function, rows.values, rows.weights)
        else:
            take = lambda part: {name: value[part] for name, value in rows.values.items()}  # noqa: E731
            found = self.memory.evaluate([slice(0, len(rows))], self.resolution, lambda part: function(take(part)))
        return found[0] if len(found) == 1 else {name: torch.cat([one[name] for one in found]) for name in found[0]}

    def _map_rows(
        self, function: Callable[[dict[str, Tensor]], Found], values: dict[str, Tensor], weights: dict[str, Tensor]
    ) -> list[Found]:
        """Call ``function`` on each row (1, ...) in turn, while the generator has that row's weights."""
        found = []
        for row, own in zip(_split(values), _unbind(weights), strict=True):
            named = {f"generator.{name}": weight for name, weight in own.items()}
            with self._recomputing(named):
                found.append(functional_call(self._generator, named, (function, row)))
        return found

    def _recomputing(self, weights: dict[str, Tensor]) -> contextlib.AbstractContextManager:
        """Return the context in which the backward pass computes the blocks' activations again, if memory is short.

        Args:
            weights: released parameters of a row, by their names in ``_generator``, which that pass needs again.
        """
        if not (self.memory.recompute and torch.is_grad_enabled()):
            return contextlib.nullcontext()
        call = partial(functional_call, self._generator, weights) if weights else lambda given: given[0](given[1])
        return self.prior.generator.calling_blocks(
            lambda block, state: checkpoint(call, (block, state), use_reentrant=False)
        )


class _WeightedGenerator(nn.Module):
    """Holds the generator, so that ``functional_call`` exchanges its weights while any function of it runs."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.generator = generator

    def forward(self, function: Callable, values: dict[str, Tensor]):
        return function(values)


_IDENTITY = Parametrization.to_latents


def _split(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield each row of tensors (N, ...) as tensors (1, ...)."""
    return (dict(zip(tensors, row, strict=True)) for row in zip(*(t.split(1) for t in tensors.values()), strict=True))


def _unbind(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield each row of tensors (N, ...) without its leading axis.

    Unbinding lets the backward pass write each gradient once; a single row needs no such copy.
    """
    if all(len(t) == 1 for t in tensors.values()):
        return iter([{name: t.squeeze(0) for name, t in tensors.items()}])
    return (dict(zip(tensors, row, strict=True)) for row in zip(*(t.unbind() for t in tensors.values()), strict=True))
