"""Noise that grows with the light: of photons, and of coherent light.

Brightness v = (y + 1) / 2 is 0 at black and 1 at white. Both data terms are Bregman divergences, whose mean over
the noise is least at the true picture whatever the small ``dark`` that keeps them finite at black (Banerjee,
Merugu, Dhillon, Ghosh. Clustering with Bregman Divergences. JMLR 2005, theorem 1): a squared difference divided by
the variance that the prediction has would make predictions brighter than what was seen.
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
    """y in [-1, 1] -> v in [0, 1]; what overshoots below black is black."""
    return ((y + 1) / 2).clamp_min(0)


class PoissonNoise(NoiseModel):
    """Each number counts light: v * photons ~ Poisson(v_hat * photons), independently.

    Args:
        photons: how many are counted at white, on average.
    """

    def __init__(self, photons: Amount):
        self.photons = check_positive("photons", photons)

    def _dark(self, photons: Tensor) -> Tensor:
        # Anscombe's 3/8 of a photon, and the variance of rounding to 256 levels
        return 3 / 8 / photons + photons * (LEVEL / 2) ** 2 / 12

    def sample(self, y, generator=None):
        """With the gradient of y itself, as its mean is y."""
        photons = as_tensor_like(self.photons, y)
        counts = draw_per_row(brightness(y) * photons, generator, torch.poisson)
        return y + (2 * counts / photons - 1 - y).detach()

    def nll(self, y_hat, y):
        """Of the density of y: counts lie 2 / photons apart, and rounded ones lie between."""
        photons = as_tensor_like(self.photons, y_hat)
        count, expected = brightness(y) * photons, (brightness(y_hat) * photons).clamp_min(1e-2)
        return mean_per_row(expected - count * expected.log() + torch.lgamma(count + 1) - (photons / 2).log())

    def mean_square(self, y_hat):
        return mean_per_row(4 * brightness(y_hat) / as_tensor_like(self.photons, y_hat))

    def differences(self, y_hat, y):
        """The deviance, in units that make it a squared difference at the row's mean brightness."""
        dark = self._dark(as_tensor_like(self.photons, y_hat).detach())
        seen, expected = brightness(y) + dark, brightness(y_hat) + dark
        return 8 * expand_rows(mean_per_row(seen.detach())) * (seen * (seen / expected).log() - seen + expected)

    def within(self, y_hat, y):
        photons = as_tensor_like(self.photons, y_hat)
        return shrink_to_noise(y_hat, y, (4 * (brightness(y) + self._dark(photons)) / photons).sqrt())


class SpeckleNoise(NoiseModel):
    """Independent and multiplied: v ~ N(v_hat, (sigma * v_hat)^2).

    Args:
        sigma: as a share of the brightness.
    """

    def __init__(self, sigma: Amount):
        self.sigma = check_positive("sigma", sigma)

    def sample(self, y, generator=None):
        return y + as_tensor_like(self.sigma, y) * (y + 1) * normal_like(y, generator)

    def _variance(self, y_hat: Tensor) -> Tensor:
        return (as_tensor_like(self.sigma, y_hat) * (y_hat + 1)).square()

    def nll(self, y_hat, y):
        """With the variance of rounding to 256 levels, which is all that is left at black."""
        variance = self._variance(y_hat) + LEVEL**2 / 12
        return mean_per_row((y - y_hat).square() / variance + (2 * math.pi * variance).log()) / 2

    def mean_square(self, y_hat):
        return mean_per_row(self._variance(y_hat))

    def _dark(self, sigma: Tensor) -> Tensor:
        return LEVEL / 4 / sigma  # where the noise is half a level

    def differences(self, y_hat, y):
        """The divergence of Itakura and Saito, in units that make it a squared difference at the row's root mean
        square of brightness."""
        dark = self._dark(as_tensor_like(self.sigma, y_hat).detach())
        seen, expected = brightness(y) + dark, brightness(y_hat) + dark
        ratio = seen / expected
        return 8 * expand_rows(mean_per_row(seen.square().detach())) * (ratio - ratio.log() - 1)

    def within(self, y_hat, y):
        sigma = as_tensor_like(self.sigma, y_hat)
        return shrink_to_noise(y_hat, y, 2 * sigma * (brightness(y) + self._dark(sigma)))
