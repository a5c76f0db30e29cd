"""Operators that only add noise: phi(x) = x, and y differs from it by the noise model."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.identity import Identity
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.detail.impulses import find_impulses
from degradations.detail.restoration import NOTICEABLE, REMAINING
from degradations.files.pictures import expect_pictures
from degradations.noise.impulse import BLACK, WHITE, ImpulseNoise
from degradations.noise.model import ROUNDING, GaussianNoise
from degradations.noise.signal_dependent import PoissonNoise, SpeckleNoise
from degradations.rows import expand_rows
from degradations.scaling import laws
from degradations.scaling.units import BRIGHTNESS, PHOTONS, PICTURE, RANGE
from degradations.solvers.sparse_change import extract_sparse_change
from degradations.solvers.sparse_solution import fill_sparsely


class NoiseOperator(Identity):
    """Add noise: y ~ p(y | x). (N, C, H, W) -> the same shape.

    Subclasses define ``noise`` as a property, so that it follows the parameters, also when they are bound to rows. In a
    chain the noise of the last link determines how y is compared with phi(x) and when it is explained; noise of an
    earlier link only affects simulated observations. Values beyond [-1, 1] are clipped by files.
    """

    multiscale = False

    @torch.no_grad()
    def merge(self, x, y):
        """Move x only as close to y as the noise requires."""
        exact = self._in_double()
        return exact.noise.within(x.double(), y.double().expand_as(x)).clamp(-1, 1).to(x)


def _strength(name: str, **about) -> tuple[Parameter]:
    """Declare the one parameter of a noise operator: required, and searched on a logarithmic scale."""
    return (Parameter(name, transform="log", required=True, **about),)


def _remove_stabilized(noise: PoissonNoise | SpeckleNoise, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Remove noise on a scale on which its standard deviation is 1; return the picture and what noise remains."""
    guess = noise.stabilize(x)
    change = extract_sparse_change(noise.stabilize(y) - guess, y.new_ones(1, 1, 1, 1))
    picture = noise.restore_scale(guess + change).clamp(-1, 1)
    return picture, (REMAINING * expand_rows(noise.mean_square(picture)).sqrt()).clamp_min(ROUNDING)


@register("noise")
class AdditiveNoise(NoiseOperator):
    """Add Gaussian noise: y = x + 2 sigma n, n ~ N(0, 1) for each value. (N, C, H, W) -> (N, C, H, W).

    The factor 2 is the range from black to white, in which ``sigma`` is measured.
    """

    parameters_spec = _strength(
        "sigma",
        bounds=(1e-5, 1),
        plausible=(0.01, 0.3),
        unit=RANGE,
        law=laws.deviation,
        help="standard deviation (0.1 is 25.5 of 255 levels)",
    )
    example = "noise:0.1"

    @property
    def noise(self):
        return GaussianNoise(2 * self.sigma)


@register("poisson")
class ShotNoise(NoiseOperator):
    """Add shot noise: brightness v becomes Poisson(photons v) / photons. (N, C, H, W) -> the same.

    v = (x + 1) / 2 is 0 at black and 1 at white.
    """

    parameters_spec = _strength(
        "photons",
        bounds=(1, 1e9),
        plausible=(5, 1000),
        unit=PHOTONS,
        law=laws.count,
        help="expected number of photons at white",
    )
    example = "poisson:60"

    @property
    def noise(self):
        return PoissonNoise(self.photons)

    def undo(self, x, y, deviation):
        return _remove_stabilized(self.noise, x, y)


@register("speckle")
class Speckle(NoiseOperator):
    """Add speckle noise: brightness v becomes v (1 + sigma n), n ~ N(0, 1). (N, C, H, W) -> the same.

    v = (x + 1) / 2 is 0 at black and 1 at white.
    """

    parameters_spec = _strength(
        "sigma",
        bounds=(5e-5, 1),
        plausible=(0.03, 0.6),
        unit=BRIGHTNESS,
        law=laws.deviation,
        help="standard deviation",
    )
    example = "speckle:0.2"

    @property
    def noise(self):
        return SpeckleNoise(self.sigma)

    def undo(self, x, y, deviation):
        return _remove_stabilized(self.noise, x, y)


IMPULSES = _strength(
    "share",
    bounds=(0.0005, 0.95),
    plausible=(0.005, 0.6),
    unit=PICTURE,
    help="probability that a pixel is replaced",
)
MEAN_SQUARE = 1 / 3  # of pictures in [-1, 1], if all tones are equally frequent


class AveragedImpulses(Degradation):
    """Impulse noise after the picture was shrunk: y = (1 - share) x + share m, m the mean of the values, with noise.

    (N, C, H, W) -> the same shape. With black alone the deviation of the noise grows with brightness, with black and
    white it is that at the mean square of pictures in which all tones are equally frequent.

    Args:
        values: that a pixel may become before shrinking: black and white, or black.
        gain: by which shrinking multiplies the deviation of white noise.
    """

    keeps_size = True
    keeps_channels = True
    keeps_places = True
    parameters_spec = IMPULSES

    def __init__(self, values: tuple[float, ...] = (BLACK, WHITE), gain: float = 1.0, share: float = 0.05):
        super().__init__(share=share)
        self.values, self.gain = values, gain
        self.mean = sum(values) / len(values)
        self.linear = self.mean == 0

    @property
    def noise(self):
        if self.mean == BLACK:
            return SpeckleNoise(self.gain * (self.share / (1 - self.share)) ** 0.5)
        spread = sum((v - self.mean) ** 2 for v in self.values) / len(self.values)
        return GaussianNoise(self.gain * (self.share * (spread + (1 - self.share) * MEAN_SQUARE)) ** 0.5)

    def _scaled(self, factor):
        twin = self._shallow_copy()
        twin.gain = self.gain * laws.compute_noise_gain(factor)
        return twin

    def forward(self, x):
        return (1 - self.share) * expect_pictures(x) + self.share * self.mean

    def propagate_unobserved(self, size, uninformative, channels=3):
        return uninformative


class ImpulseOperator(NoiseOperator):
    """Replace a share of the pixels by one of ``values``. (N, C, H, W) -> the same."""

    values: tuple[float, ...]
    parameters_spec = IMPULSES

    @property
    def noise(self):
        return ImpulseNoise(self.share, self.values)

    def _scaled(self, factor):
        """Return the mixture of the picture and the mean of the values that averages are, with noise around it."""
        averaged = AveragedImpulses(self.values, laws.compute_noise_gain(factor))
        averaged.__dict__.update(share=self.share, _bound=self._bound, _ranges=self._ranges, _unknown=self.unknowns())
        return averaged

    def undo(self, x, y, deviation):
        """Fill the pixels that were replaced; all others keep y exactly."""
        hit = find_impulses(y, self.values, tolerance=3 * deviation if float(deviation.max()) > NOTICEABLE else 1e-3)
        return fill_sparsely(x, y, ~hit), deviation


@register("salt-pepper")
class SaltAndPepper(ImpulseOperator):
    """Make random pixels black or white, with equal probability. (N, C, H, W) -> the same."""

    values = (BLACK, WHITE)
    example = "salt-pepper:0.05"


@register("dropout")
class Dropout(ImpulseOperator):
    """Make random pixels black, as sensor elements without a signal do. (N, C, H, W) -> the same."""

    values = (BLACK,)
    example = "dropout:0.2"
