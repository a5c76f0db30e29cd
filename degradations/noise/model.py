"""The interface of noise models, and Gaussian noise. A noise model says how y differs from phi(x).

The parameters of a model are floats, or tensors (N, 1, 1, 1) with one value for each row, through which gradients flow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from degradations.errors import SizeError, SpecError
from degradations.rows import expand_rows, mean_per_row

Generators = torch.Generator | Sequence[torch.Generator] | None
Amount = float | Tensor

LEVEL = 2 / 255  # distance of two neighbouring levels of an 8-bit file, on the scale of [-1, 1]
ROUNDING = LEVEL / 12**0.5  # root mean square of the error of rounding to 8 bits, on the scale of [-1, 1]


def draw_per_row(
    values: Tensor, generator: Generators, draw: Callable[[Tensor, torch.Generator | None], Tensor]
) -> Tensor:
    """Call ``draw(values, generator)`` on the CPU, so that all devices see the same random numbers.

    Args:
        values: (N, ...), what is given to ``draw``.
        generator: one for all rows, a list of N with one for each row, or None for PyTorch's own.
        draw: returns a tensor of the shape of its first argument.

    Returns:
        (N, ...), dtype and device of ``values``.

    Raises:
        SizeError: the list has another length than N.
    """
    here = values.detach().cpu()
    if generator is None or isinstance(generator, torch.Generator):
        return draw(here, generator).to(values)
    if len(generator) != len(values):
        raise SizeError(
            f"got {len(generator)} random generators for {len(values)} rows; give one for all rows, or one for each row"
        )
    return torch.stack([draw(row, one) for row, one in zip(here, generator, strict=True)]).to(values)


def normal_like(y: Tensor, generator: Generators = None) -> Tensor:
    """Draw standard normal numbers of the shape of y."""
    return draw_per_row(y, generator, lambda v, random: torch.randn(v.shape, generator=random))


def uniform_like(y: Tensor, generator: Generators = None) -> Tensor:
    """Draw numbers from [0, 1) of the shape of y."""
    return draw_per_row(y, generator, lambda v, random: torch.rand(v.shape, generator=random))


def as_tensor_like(amount: Amount, like: Tensor) -> Tensor:
    """Convert a parameter to a tensor of the dtype and device of ``like``, keeping its gradient."""
    return torch.as_tensor(amount, dtype=like.dtype, device=like.device)


def check_positive(name: str, amount: Amount) -> Amount:
    """Return the parameter if it is a tensor or a positive number.

    Raises:
        SpecError: a number that is not positive.
    """
    if isinstance(amount, Tensor):
        return amount
    if not amount > 0:
        raise SpecError(f"{name}={amount} is not positive; for no noise leave it out")
    return float(amount)


def shrink_to_noise(y_hat: Tensor, y: Tensor, deviation: Tensor) -> Tensor:
    """Move y_hat towards y until the noise explains the distance that remains.

    Args:
        y_hat: the prediction phi(x), (N, c, h, w).
        y: the observation, (N, c, h, w).
        deviation: the standard deviation of the noise, broadcastable to y.

    Returns:
        (N, c, h, w): the first point on the way from y_hat to y from which the distance to y, in standard deviations,
        has a root mean square of 1; y_hat itself where y is nearer than that.
    """
    error = y - y_hat
    rms = mean_per_row((error / deviation).square()).sqrt().clamp_min(1e-12)
    return y_hat + error * expand_rows((1 - 1 / rms).clamp_min(0))


class NoiseModel:
    """The noise of an operator. Subclasses define ``sample`` and ``nll``; the other methods have defaults.

    In all methods y_hat is the prediction phi(x) and y the observation, both (N, c, h, w) in [-1, 1].

    Attributes:
        depends_on_level: the noise is not the same at every brightness, so that y must be on the scale of pictures.
    """

    depends_on_level = False

    def sample(self, y: Tensor, generator: Generators = None) -> Tensor:
        """Add noise to y.

        Args:
            y: phi(x), (N, c, h, w).
            generator: one torch.Generator, or a list of N.

        Returns:
            (N, c, h, w).
        """
        raise NotImplementedError

    def nll(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return -log p(y | y_hat) in nats, averaged over the values of a row: (N,)."""
        raise NotImplementedError

    def mean_square(self, y_hat: Tensor) -> Tensor | None:
        """Return the expected mean square of y - y_hat over the values of a row: (N,), or None if unknown."""
        return None

    def differences(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return how much of y each value of y_hat leaves unexplained, on the scale of squared differences.

        It is for comparing pictures, and carries no gradient to the parameters of the noise: stronger noise would
        explain more at no cost. Use ``nll`` to estimate those. Default: (y_hat - y)^2.

        Returns:
            (N, c, h, w), not negative.
        """
        return (y_hat - y).square()

    def distance(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the data term: the mean of ``differences`` over each row, (N,)."""
        return mean_per_row(self.differences(y_hat, y))

    def within(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Return the point nearest to y_hat that the noise explains as well as it explains y. Default: y itself."""
        return y

    def averaged(self, gain: float) -> NoiseModel | None:
        """Return the noise after neighbouring pixels were averaged, as shrinking does; None if nothing remains.

        Args:
            gain: by which averaging multiplies the deviation of white noise (``scaling.laws.compute_noise_gain``).

        Returns:
            Default: this noise, unchanged.
        """
        return self

    def __repr__(self) -> str:
        def describe(value: object) -> str:
            if isinstance(value, Tensor):
                return f"tensor {tuple(value.shape)}"
            return str(value) if isinstance(value, int | float | str | tuple | None) else type(value).__name__

        parameters = ", ".join(
            f"{name}={describe(value)}" for name, value in vars(self).items() if not name.startswith("_")
        )
        return f"{type(self).__name__}({parameters})"[:400]


class GaussianNoise(NoiseModel):
    """Independent Gaussian noise: y ~ N(y_hat, sigma^2).

    Args:
        sigma: standard deviation on the scale of [-1, 1], float or (N, 1, 1, 1).
    """

    def __init__(self, sigma: Amount):
        self.sigma = check_positive("sigma", sigma)

    def sample(self, y, generator=None):
        return y + as_tensor_like(self.sigma, y) * normal_like(y, generator)

    def nll(self, y_hat, y):
        sigma = as_tensor_like(self.sigma, y_hat)
        return mean_per_row(((y - y_hat) / sigma).square() / 2 + (sigma * math.sqrt(2 * math.pi)).log())

    def mean_square(self, y_hat):
        return as_tensor_like(self.sigma, y_hat).square().flatten().expand(len(y_hat))

    def within(self, y_hat, y):
        return shrink_to_noise(y_hat, y, as_tensor_like(self.sigma, y_hat))

    def averaged(self, gain):
        return GaussianNoise(self.sigma * gain)
