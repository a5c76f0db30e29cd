"""Few levels, dithering, or few colours, as on old screens, in old files and in print.

Predictions are smooth; ``measure`` and ``simulate`` round as the real programs do.
"""

from __future__ import annotations

import torch

from degradations.core.base import Degradation
from degradations.core.identity import Identity
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.detail.dots import compute_spectrum
from degradations.detail.restoration import NOTICEABLE, REMAINING, remove_noise
from degradations.files.pictures import expect_pictures
from degradations.noise.model import ROUNDING
from degradations.noise.rounding import Dithering, EvenLevels, FewColors
from degradations.operators.noisy import NoiseOperator
from degradations.rows import expand_rows
from degradations.solvers.sparse_change import extract_sparse_change

EDGE = 0.1  # width of the smooth step between two levels, in level spacings; gradients vanish for much steeper steps
DOTS = 1.7  # deviation of the dots, in that of white rounding noise; measured on photographs

# Up to here a shrunk y is nearer to the rounded small picture than to the small picture, measured on photographs.
COARSE_LEVELS, COARSE_COLORS = 4, 16


class RoundingOperator(NoiseOperator):
    """Round values by a program whose result ``measure`` returns; nothing is random."""

    keeps_places = True

    def measure(self, x, generator=None):
        return self.noise.quantize(expect_pictures(x))

    def _scaled(self, factor):
        """Return the identity: averages are not on the levels, and most of their errors cancels."""
        return Identity()

    def undo(self, x, y, deviation):
        """Remove the rounding error like noise, then return to the values that are rounded to y."""
        own = expand_rows(self.noise.estimate_deviation(y))
        picture, remaining = remove_noise(x, y, (deviation.square() + own.square()).sqrt())
        if float(own.max()) < NOTICEABLE or float(deviation.max()) > float(own.max()):
            return picture, remaining
        return self.noise.within(picture, y), remaining


@register("quantise")
class Quantise(RoundingOperator):
    """Round each value to the nearest of a few evenly spaced levels. (N, C, H, W) -> the same.

    ``forward`` is a smooth staircase that is exact at the levels and half-way between them.
    """

    linear = False
    pointwise = False
    adjoint = Degradation.adjoint
    parameters_spec = (Parameter("levels", kind="int", bounds=(2, 256), required=True, help="number of levels"),)
    example = "quantise:8"

    @property
    def noise(self):
        return EvenLevels(self.levels)

    def _scaled(self, factor):
        """Keep up to four levels, whose steps are large areas that survive; with more, return the identity."""
        return self if self.levels <= COARSE_LEVELS else super()._scaled(factor)

    def forward(self, x):
        steps = (expect_pictures(x) + 1) / 2 * (self.levels - 1)
        foot = steps.detach().floor()
        edge = torch.tanh((steps - foot - 0.5) / (2 * EDGE)) / torch.tanh(steps.new_tensor(0.25 / EDGE))
        return 2 * (foot + (1 + edge) / 2) / (self.levels - 1) - 1


@register("dither")
class Dither(RoundingOperator):
    """Replace tones by dots of a few evenly spaced levels (Floyd and Steinberg). (N, C, H, W) -> the same.

    Each channel is dithered by itself, as Pillow does it. ``forward`` is x, the local mean of the dots; the data term
    compares the low frequencies, which survive.
    """

    parameters_spec = (
        Parameter("levels", 2, kind="int", bounds=(2, 64), help="number of levels; 2 is black and white"),
    )
    example = "dither:2"

    @property
    def noise(self):
        return Dithering(self.levels)

    def undo(self, x, y, deviation):
        """Remove the dots like noise that is strongest at high frequencies."""
        own = y.new_full((1, 1, 1, 1), DOTS * 2 / (self.levels - 1) / 12**0.5)
        change = extract_sparse_change(y - x, (deviation.square() + own.square()).sqrt(), spectrum=compute_spectrum(y))
        return (x + change).clamp(-1, 1), (REMAINING * own).clamp_min(ROUNDING)

    @torch.no_grad()
    def merge(self, x, y):
        """Project alternately onto what the noise explains and onto [-1, 1], until both hold."""
        noise, merged, y = self.noise, x.double().clamp(-1, 1), y.double().expand_as(x)
        for _ in range(30):
            before, merged = merged, noise.within(merged, y).clamp(-1, 1)
            if float((merged - before).abs().max()) < 1e-7:
                break
        return merged.to(x)


@register("palette")
class Palette(RoundingOperator):
    """Reduce each picture to a few colours by Pillow's median cut. (N, 3 or 1, H, W) -> the same.

    ``forward`` is x, as the choice of the colours is no smooth function of it.
    """

    parameters_spec = (Parameter("colors", kind="int", bounds=(2, 256), required=True, help="number of colours"),)
    example = "palette:16"

    @property
    def noise(self):
        return FewColors(self.colors)

    def _scaled(self, factor):
        """Keep up to sixteen colours, whose areas survive; with more, return the identity."""
        return self if self.colors <= COARSE_COLORS else super()._scaled(factor)
