"""Noise, kept apart from the operators: what a camera adds to phi(x)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from degradations.errors import SizeError, SpecError

Generators = torch.Generator | Sequence[torch.Generator] | None


def normal_like(y: Tensor, generator: Generators = None) -> Tensor:
    """Standard normal numbers of y's shape, drawn on the CPU; a list of generators has one for each row."""
    if generator is None or isinstance(generator, torch.Generator):
        drawn = torch.randn(y.shape, generator=generator)
    else:
        if len(generator) != len(y):
            raise SizeError(f"got {len(generator)} random generators for {len(y)} rows; give one, or one a row")
        drawn = torch.stack([torch.randn(y.shape[1:], generator=one) for one in generator])
    return drawn.to(y)


class NoiseModel:
    """The noise of an operator; any class with ``sample`` and ``nll`` is one. One without a ``within`` of its own
    asks ``merge`` to meet y exactly, one without a ``mean_square`` does not say when a picture explains y."""

    def sample(self, y: Tensor, generator: Generators = None) -> Tensor:
        """y = phi(x), (N, c, h, w) -> a noisy y of the same shape."""
        raise NotImplementedError

    def nll(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """-log p(y | y_hat), (N, c, h, w) twice -> (N,): the mean over a row's numbers, in nats."""
        raise NotImplementedError

    def distance(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The data term, (N, c, h, w) twice -> (N,): what this noise makes of y - y_hat, on the scale of a mean squared
        difference, so that it can stand in the place of one."""
        return (y_hat - y).square().flatten(1).mean(1)

    def mean_square(self, y_hat: Tensor) -> Tensor | None:
        """The expected mean square of y - y_hat over a row's numbers, (N, c, h, w) -> (N,); None: not known."""
        return None

    def within(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The point nearest to y_hat that this noise explains as well as it does y."""
        return y


class GaussianNoise(NoiseModel):
    """Independent, y ~ N(y_hat, sigma^2), with sigma on the scale of [-1, 1]."""

    def __init__(self, sigma: float):
        if not sigma > 0:
            raise SpecError(f"sigma={sigma} is not positive; leave the noise out where there is none")
        self.sigma = float(sigma)

    def sample(self, y, generator=None):
        return y + self.sigma * normal_like(y, generator)

    def nll(self, y_hat, y):
        squares = ((y - y_hat) / self.sigma).square().flatten(1).mean(1)
        return squares / 2 + math.log(self.sigma * math.sqrt(2 * math.pi))

    def mean_square(self, y_hat):
        return y_hat.new_full((len(y_hat),), self.sigma**2)

    def within(self, y_hat, y):
        error = y - y_hat
        rms = error.flatten(1).square().mean(1).sqrt().clamp_min(1e-12)
        return y_hat + error * (1 - self.sigma / rms).clamp_min(0)[:, None, None, None]
