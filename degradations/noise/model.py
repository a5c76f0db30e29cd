"""Noise, kept apart from the operators: what a camera adds to phi(x).

Parameters of a model are floats, or tensors (N, 1, 1, 1) with one value a row, through which gradients flow.
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

LEVEL = 2 / 255  # between two neighbours of the 256 that a file holds, on the scale of [-1, 1]


def draw_per_row(
    values: Tensor, generator: Generators, draw: Callable[[Tensor, torch.Generator | None], Tensor]
) -> Tensor:
    """``draw(values, generator)`` on the CPU, in the type and place of the values; a list of generators has one for
    each row."""
    here = values.detach().cpu()
    if generator is None or isinstance(generator, torch.Generator):
        return draw(here, generator).to(values)
    if len(generator) != len(values):
        raise SizeError(f"got {len(generator)} random generators for {len(values)} rows; give one, or one a row")
    return torch.stack([draw(row, one) for row, one in zip(here, generator, strict=True)]).to(values)


def normal_like(y: Tensor, generator: Generators = None) -> Tensor:
    """Standard normal numbers of y's shape."""
    return draw_per_row(y, generator, lambda v, random: torch.randn(v.shape, generator=random))


def uniform_like(y: Tensor, generator: Generators = None) -> Tensor:
    """Numbers in [0, 1) of y's shape."""
    return draw_per_row(y, generator, lambda v, random: torch.rand(v.shape, generator=random))


def as_tensor_like(amount: Amount, like: Tensor) -> Tensor:
    """A parameter in the type and place of ``like``, with its gradient."""
    return torch.as_tensor(amount, dtype=like.dtype, device=like.device)


def check_positive(name: str, amount: Amount) -> Amount:
    """The amount itself. SpecError unless it is a tensor, or a number above 0."""
    if isinstance(amount, Tensor):
        return amount
    if not amount > 0:
        raise SpecError(f"{name}={amount} is not positive; for no noise leave it out")
    return float(amount)


def shrink_to_noise(y_hat: Tensor, y: Tensor, deviation: Tensor) -> Tensor:
    """On the way from y_hat to y, the first point from which y is as far as the noise makes it: whose error, in
    deviations, has a mean square of 1."""
    error = y - y_hat
    rms = mean_per_row((error / deviation).square()).sqrt().clamp_min(1e-12)
    return y_hat + error * expand_rows((1 - 1 / rms).clamp_min(0))


class NoiseModel:
    """The noise of an operator; any class with ``sample`` and ``nll`` is one. One without a ``within`` of its own
    asks ``merge`` to meet y exactly, one without a ``mean_square`` does not say when a picture explains y."""

    depends_on_level = False

    def sample(self, y: Tensor, generator: Generators = None) -> Tensor:
        """y = phi(x), (N, c, h, w) -> a noisy y of the same shape."""
        raise NotImplementedError

    def nll(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """-log p(y | y_hat), (N, c, h, w) twice -> (N,): the mean over a row's numbers, in nats."""
        raise NotImplementedError

    def mean_square(self, y_hat: Tensor) -> Tensor | None:
        """The expected mean square of y - y_hat over a row's numbers, (N, c, h, w) -> (N,); None: not known."""
        return None

    def differences(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """What of y each number of y_hat leaves unexplained, (N, c, h, w) twice -> (N, c, h, w), not negative and on
        the scale of squared differences. It judges pictures, and has no gradient in the noise's own parameters: a
        stronger noise would explain more at no cost. ``nll`` is the one to find those by."""
        return (y_hat - y).square()

    def distance(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The data term, (N, c, h, w) twice -> (N,), on the scale of a mean squared difference."""
        return mean_per_row(self.differences(y_hat, y))

    def within(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The point nearest to y_hat that this noise explains as well as it does y."""
        return y

    def __repr__(self) -> str:
        def said(value: object) -> str:
            if isinstance(value, Tensor):
                return f"tensor {tuple(value.shape)}"
            return str(value) if isinstance(value, int | float | str | tuple | None) else type(value).__name__

        about = ", ".join(f"{name}={said(value)}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({about})"[:400]


class GaussianNoise(NoiseModel):
    """Independent, y ~ N(y_hat, sigma^2), with sigma on the scale of [-1, 1]."""

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
