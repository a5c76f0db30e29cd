"""The input of losses: rendered pictures of some rows, the predictions of their degradations, and the observations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from degradations import Degradation
from dgp.observation.batch import ObservationBatch
from dgp.observation.estimate import Expectation
from dgp.random_streams import RowStreams
from dgp.rendering.renderer import Renderer
from dgp.variables.operator_parameters import bind_parameters
from generators import Prior


@dataclass(frozen=True, eq=False)
class OperatorGroup:
    """The rows of a Prediction whose observations share an operator.

    Attributes:
        rows: their indices, (n,).
        prediction: phi(x), (n, c, h, w).
        y: observed values, (n, c, h, w).
        operator: the degradation phi, its unknown parameters bound to the values of the rows.
        weight: weights of the values, (n, 1, h, w) of mean 1, or None.
        missing: where y holds no evidence, (n, 1, h, w) bool, or None.
        group: index of the operator in the ObservationBatch.
        position: index of each row's observation in that group, (n,), on the device.
    """

    rows: Tensor
    prediction: Tensor
    y: Tensor
    operator: Degradation
    weight: Tensor | None
    missing: Tensor | None
    group: int
    position: Tensor


@dataclass(eq=False)
class Prediction:
    """Pictures of N rows and quantities derived from them, computed when a term first reads them.

    Attributes:
        batch: the observations of the run.
        image: pictures that are compared with them, (N, 3, R, R) in [-1, 1].
        values: variables of the rows by name, each (N, ...).
        pictures: index of the observation of each row, (N,) on the CPU.
        through: "forward": the differentiable operator predicts; "measure": the true operator and its noise;
            "sampled": the differentiable operator, with noise of its model.
        renderer: renders other latents, for terms that compare the generator elsewhere.
        weights: released parameters of the rows by name, each (N, ...).
        expectations: of each observation, where its unknown parameters are expected, by variable.
        draw_streams: returns the random streams of the rows.
    """

    batch: ObservationBatch
    image: Tensor
    values: dict[str, Tensor]
    pictures: Tensor
    through: str = "forward"
    renderer: Renderer | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)
    expectations: Sequence[Mapping[str, Expectation]] = ()
    draw_streams: Callable[[], RowStreams] | None = None

    @property
    def prior(self) -> Prior:
        return self.renderer.prior

    @cached_property
    def random(self) -> RowStreams | None:
        """Random streams of the rows, for terms that are stochastic; None: unseeded."""
        return None if self.draw_streams is None else self.draw_streams()

    @cached_property
    def latents(self) -> dict[str, Tensor]:
        """The generator's inputs of the rows, each (N, ...)."""
        return self.renderer.latents(self.values)

    def render(self, latents: dict[str, Tensor], weights: dict[str, Tensor] | None = None) -> Tensor:
        """Render other inputs of the generator, by the prior's weights or by the weights of each row; counts a pass.

        Args:
            latents: inputs by name, each (N, ...).
            weights: released parameters by name, each (N, ...).

        Returns:
            (N, 3, R, R) in [-1, 1].
        """
        self.renderer.evaluations.count_renders(self.pictures)
        self.count_pass()
        return self.renderer.generate_from_latents(latents, weights or {})

    def count_pass(self, rows: Tensor | None = None) -> None:
        """Count a pass of all rows, or of those at ``rows``, beyond the one for each of a term's ``networks``."""
        if self.renderer is not None:
            self.renderer.evaluations.count_passes(self.pictures if rows is None else self.pictures[rows], 1)

    @cached_property
    def groups(self) -> list[OperatorGroup]:
        """The rows in groups that share an operator."""
        numbers = self.batch.group[self.pictures]
        return [self._group(number, (numbers == number).nonzero()[:, 0]) for number in numbers.unique().tolist()]

    def _group(self, number: int, rows: Tensor) -> OperatorGroup:
        batch, whole = self.batch, len(rows) == len(self.pictures)
        index = batch.to_device(rows)
        position = batch.to_device(batch.position[self.pictures[rows]])
        operator = batch.operators[number]
        if operator.unknowns():
            operator = bind_parameters(operator, {n: v if whole else v[index] for n, v in self.values.items()})
        weight, missing = batch.weight[number], batch.missing[number]
        return OperatorGroup(
            rows=rows,
            prediction=self._predict(operator, self.image if whole else self.image[index], rows),
            y=batch.y[number][position],
            operator=operator,
            weight=None if weight is None else weight[position],
            missing=None if missing is None else missing.expand(len(batch.y[number]), -1, -1, -1)[position],
            group=number,
            position=position,
        )

    def _predict(self, operator: Degradation, image: Tensor, rows: Tensor) -> Tensor:
        if self.through == "forward" or (self.through == "sampled" and operator.noise is None):
            return operator(image)
        streams = None if self.random is None else [self.random.generators[row] for row in rows.tolist()]
        if self.through == "measure":
            return operator.measure(image, streams)
        return operator.noise.sample(operator(image), streams)

    def assemble(self, parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return values in the order of the rows.

        Args:
            parts: (indices of rows (n,), their values (n, ...)) of groups that make up all rows.
        """
        if len(parts) == 1:
            return parts[0][1]
        order = torch.cat([rows for rows, _ in parts]).argsort()
        return torch.cat([values for _, values in parts])[self.batch.to_device(order)]

    def compare(self, difference: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return the weighted mean of ``difference(phi(x), y)`` over the values of each row, (N,).

        Args:
            difference: maps two tensors (n, c, h, w) to one of that shape.
        """
        means = []
        for group in self.groups:
            values = difference(group.prediction, group.y)
            if group.weight is not None:
                values = values * group.weight
            means.append((group.rows, mean_per_row(values)))
        return self.assemble(means)

    @cached_property
    def lifted(self) -> Tensor:
        """The predictions phi(x) as pictures, as a discriminator sees them, (N, 3, R, R)."""
        size = self.batch.size
        return self.assemble([(group.rows, group.operator.lift(group.prediction, size)) for group in self.groups])

    @cached_property
    def features(self) -> list[Tensor]:
        """Discriminator features of the lifted predictions, shallow to deep, each (N, ...)."""
        return self.batch.extract_features(self.lifted)

    @cached_property
    def target_features(self) -> list[Tensor]:
        """Discriminator features of the lifted observations, shallow to deep, each (N, ...)."""
        index = self.batch.to_device(self.pictures)
        return [feature[index] for feature in self.batch.features]


def mean_per_row(values: Tensor) -> Tensor:
    """Return the mean of each row: (N, ...) -> (N,)."""
    return values.flatten(1).mean(1)
