"""Operators that only add noise: phi(x) = x, and their noise model is what there is to know."""

from __future__ import annotations

import torch

from degradations.core.identity import Identity
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.noise.impulse import BLACK, WHITE, ImpulseNoise
from degradations.noise.model import GaussianNoise
from degradations.noise.signal_dependent import PoissonNoise, SpeckleNoise


class Noisy(Identity):
    """(N, C, H, W) -> the same; ``measure`` adds ``noise``, which follows from the parameters as they are now.

    The last link of a chain says how y is compared with phi(x), and when it is explained; noise of an earlier one
    only enters what is simulated. Files clip what leaves [-1, 1].
    """

    @torch.no_grad()
    def merge(self, x, y):
        """Only as close to y as the noise asks for."""
        exact = self._in_double()
        return exact.noise.within(x.double(), y.double().expand_as(x)).clamp(-1, 1).to(x)


@register("noise")
class AdditiveNoise(Noisy):
    """Gaussian noise, independent in each value. (N, C, H, W) -> (N, C, H, W)."""

    parameters_spec = (
        Parameter(
            "sigma",
            bounds=(0.001, 1),
            plausible=(0.01, 0.3),
            unit="of the range from black to white",
            transform="log",
            required=True,
            help="standard deviation (0.1 is 25.5 of 255 levels)",
        ),
    )
    example = "noise:0.1"

    @property
    def noise(self):
        return GaussianNoise(2 * self.sigma)


@register("poisson")
class ShotNoise(Noisy):
    """Shot noise: every value is a count of photons. (N, C, H, W) -> the same."""

    parameters_spec = (
        Parameter(
            "photons",
            bounds=(1, 1e5),
            plausible=(5, 1000),
            unit="photons",
            transform="log",
            required=True,
            help="how many a white number counts, on average",
        ),
    )
    example = "poisson:60"

    @property
    def noise(self):
        return PoissonNoise(self.photons)


@register("speckle")
class Speckle(Noisy):
    """Each brightness is multiplied by 1 + sigma times a standard normal number. (N, C, H, W) -> the same."""

    parameters_spec = (
        Parameter(
            "sigma",
            bounds=(0.005, 1),
            plausible=(0.03, 0.6),
            unit="of the brightness",
            transform="log",
            required=True,
            help="standard deviation",
        ),
    )
    example = "speckle:0.2"

    @property
    def noise(self):
        return SpeckleNoise(self.sigma)


class Struck(Noisy):
    parameters_spec = (
        Parameter(
            "share",
            bounds=(0.0005, 0.95),
            plausible=(0.005, 0.6),
            unit="of the pixels",
            transform="log",
            required=True,
            help="how many are struck",
        ),
    )


@register("salt-pepper")
class SaltAndPepper(Struck):
    """Random pixels are black or white, equally often. (N, C, H, W) -> the same."""

    example = "salt-pepper:0.05"

    @property
    def noise(self):
        return ImpulseNoise(self.share, (BLACK, WHITE))


@register("dropout")
class Dropout(Struck):
    """Random pixels are black, as they gave no signal. (N, C, H, W) -> the same."""

    example = "dropout:0.2"

    @property
    def noise(self):
        return ImpulseNoise(self.share, (BLACK,))
