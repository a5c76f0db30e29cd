"""Noise that grows with brightness: shot noise of photons and speckle of coherent light.

Brightness v = (y + 1) / 2 is 0 at black and 1 at white. Both data terms are Bregman divergences. Their mean over the
noise is smallest at the true picture, whatever the small ``dark`` that keeps them finite at black (Banerjee, Merugu,
Dhillon, Ghosh. Clustering with Bregman Divergences. JMLR 2005, theorem 1). A squared difference divided by the variance
that the prediction implies would instead make predictions brighter than the observation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from degradations.noise.model import (
    LEVEL,
    Amount,
    NoiseModel,
    as_tensor_like,
    check_positive,
    draw_per_row,
    normal_like,
    shrink_to_noise,
)
from degradations.rows import expand_rows, mean_per_row


def brightness(y: Tensor) -> Tensor:
    """Convert y in [-1, 1] to brightness v in [0, 1], with values below black set to black."""
    return ((y + 1) / 2).clamp_min(0)


class PoissonNoise(NoiseModel):
    """Shot noise: v * photons ~ Poisson(v_hat * photons), independently for each value.

    Args:
        photons: expected number at white, float or (N, 1, 1, 1).
    """

    def __init__(self, photons: Amount):
        self.photons = check_positive("photons", photons)

    def _dark(self, photons: Tensor) -> Tensor:
        # Anscombe's 3/8 of a photon, plus the variance of rounding to 256 levels
        return 3 / 8 / photons + photons * (LEVEL / 2) ** 2 / 12

    def sample(self, y, generator=None):
        """Add noise; the gradient is that of y, as the mean of the noisy value is y."""
        photons = as_tensor_like(self.photons, y)
        counts = draw_per_row(brightness(y) * photons, generator, torch.poisson)
        return y + (2 * counts / photons - 1 - y).detach()

    def nll(self, y_hat, y):
        """Return the negative log of the density of y, (N,).

        The probability of a count is spread over 2 / photons, the distance of two counts on the scale of y. Counts are
        continued to real numbers, as rounding to 8 bits leaves y between two counts.
        """
        photons = as_tensor_like(self.photons, y_hat).double()  # the terms cancel to a millionth for many photons
        count, expected = brightness(y.double()) * photons, (brightness(y_hat.double()) * photons).clamp_min(1e-2)
        nats = expected - count * expected.log() + torch.lgamma(count + 1) - (photons / 2).log()
        return mean_per_row(nats).to(y_hat)

    def mean_square(self, y_hat):
        return mean_per_row(4 * brightness(y_hat) / as_tensor_like(self.photons, y_hat))

    def differences(self, y_hat, y):
        """Return the Poisson deviance, scaled to a squared difference at the row's mean brightness."""
        dark = self._dark(as_tensor_like(self.photons, y_hat).detach())
        seen, expected = brightness(y) + dark, brightness(y_hat) + dark
        return 8 * expand_rows(mean_per_row(seen.detach())) * (seen * (seen / expected).log() - seen + expected)

    def within(self, y_hat, y):
        photons = as_tensor_like(self.photons, y_hat)
        return shrink_to_noise(y_hat, y, (4 * (brightness(y) + self._dark(photons)) / photons).sqrt())

    def averaged(self, gain):
        return PoissonNoise(self.photons / gain**2)

    def stabilize(self, y: Tensor) -> Tensor:
        """Return y on Anscombe's scale, on which the noise has a standard deviation of nearly 1."""
        return 2 * (brightness(y) * as_tensor_like(self.photons, y) + 3 / 8).sqrt()

    def restore_scale(self, stable: Tensor) -> Tensor:
        """Return the mean y of noise whose mean on Anscombe's scale is ``stable``.

        The closed form of M. Makitalo, A. Foi 2011, "A closed-form approximation of the exact unbiased inverse of the
        Anscombe variance-stabilizing transformation", equation 6.
        """
        d = stable.clamp_min(2 * (3 / 8) ** 0.5)
        root = (3 / 2) ** 0.5
        counts = d.square() / 4 + root / 4 / d - 11 / 8 / d.square() + 5 / 8 * root / d**3 - 1 / 8
        return 2 * counts.clamp_min(0) / as_tensor_like(self.photons, stable) - 1


class SpeckleNoise(NoiseModel):
    """Multiplicative Gaussian noise: v ~ N(v_hat, (sigma v_hat)^2), independently for each value.

    Args:
        sigma: standard deviation as a share of the brightness, float or (N, 1, 1, 1).
    """

    def __init__(self, sigma: Amount):
        self.sigma = check_positive("sigma", sigma)

    def sample(self, y, generator=None):
        return y + as_tensor_like(self.sigma, y) * (y + 1) * normal_like(y, generator)

    def _variance(self, y_hat: Tensor) -> Tensor:
        return (as_tensor_like(self.sigma, y_hat) * (y_hat + 1)).square()

    def nll(self, y_hat, y):
        """Return the negative log likelihood, with the variance of 8-bit rounding, all that is left at black."""
        variance = self._variance(y_hat) + LEVEL**2 / 12
        return mean_per_row((y - y_hat).square() / variance + (2 * math.pi * variance).log()) / 2

    def mean_square(self, y_hat):
        return mean_per_row(self._variance(y_hat))

    def _dark(self, sigma: Tensor) -> Tensor:
        return LEVEL / 4 / sigma  # the brightness at which the standard deviation is half a level

    def differences(self, y_hat, y):
        """Return the Itakura-Saito divergence, scaled to a squared difference at the row's RMS brightness."""
        dark = self._dark(as_tensor_like(self.sigma, y_hat).detach())
        seen, expected = brightness(y) + dark, brightness(y_hat) + dark
        ratio = seen / expected
        return 8 * expand_rows(mean_per_row(seen.square().detach())) * (ratio - ratio.log() - 1)

    def within(self, y_hat, y):
        sigma = as_tensor_like(self.sigma, y_hat)
        return shrink_to_noise(y_hat, y, 2 * sigma * (brightness(y) + self._dark(sigma)))

    def averaged(self, gain):
        return SpeckleNoise(self.sigma * gain)

    def stabilize(self, y: Tensor) -> Tensor:
        """Return y on a logarithmic scale, on which the noise has a standard deviation of nearly 1."""
        sigma = as_tensor_like(self.sigma, y)
        return (brightness(y) + self._dark(sigma)).log() / sigma

    def restore_scale(self, stable: Tensor) -> Tensor:
        """Return the mean y of noise whose mean on the logarithmic scale is ``stable``: E log(1 + s n) = -s^2 / 2."""
        sigma = as_tensor_like(self.sigma, stable)
        return 2 * ((stable * sigma + sigma.square() / 2).exp() - self._dark(sigma)) - 1
