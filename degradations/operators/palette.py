"""Few levels, dots in their place, or few colours: old screens, old files, print.

Predictions are smooth; ``measure`` and ``simulate`` are the real thing.
"""

from __future__ import annotations

import torch

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.files.pictures import expect_pictures
from degradations.noise.rounding import Dithering, EvenLevels, FewColors
from degradations.operators.noisy import Noisy

EDGE = 0.1  # width of the smooth step between two levels, in steps: steeper ones have no slope to follow


class Rounded(Noisy):
    """``measure`` is the program's answer for x itself; nothing in it is random."""

    def measure(self, x, generator=None):
        return self.noise.quantize(expect_pictures(x))


@register("quantise")
class Quantise(Rounded):
    """Each value is rounded to the nearest of a few evenly spaced levels. (N, C, H, W) -> the same.

    ``forward`` is a smooth staircase, which is exact at the levels and half-way between them.
    """

    linear = False
    pointwise = False
    adjoint = Degradation.adjoint
    parameters_spec = (Parameter("levels", kind="int", bounds=(2, 256), required=True, help="how many are left"),)
    example = "quantise:8"

    @property
    def noise(self):
        return EvenLevels(self.levels)

    def forward(self, x):
        steps = (expect_pictures(x) + 1) / 2 * (self.levels - 1)
        foot = steps.detach().floor()
        edge = torch.tanh((steps - foot - 0.5) / (2 * EDGE)) / torch.tanh(steps.new_tensor(0.25 / EDGE))
        return 2 * (foot + (1 + edge) / 2) / (self.levels - 1) - 1


@register("dither")
class Dither(Rounded):
    """Dots of a few evenly spaced levels, by Floyd and Steinberg's error diffusion in each channel, as Pillow does it.
    (N, C, H, W) -> the same.

    ``forward`` is x, of which the dots are the local mean; y is compared at the frequencies that survive.
    """

    parameters_spec = (
        Parameter("levels", 2, kind="int", bounds=(2, 64), help="how many are left; 2 is black and white"),
    )
    example = "dither:2"

    @property
    def noise(self):
        return Dithering(self.levels)

    @torch.no_grad()
    def merge(self, x, y):
        """Alternately within the noise and within the gamut, until both hold."""
        noise, merged, y = self.noise, x.double().clamp(-1, 1), y.double().expand_as(x)
        for _ in range(30):
            before, merged = merged, noise.within(merged, y).clamp(-1, 1)
            if float((merged - before).abs().max()) < 1e-7:
                break
        return merged.to(x)


@register("palette")
class Palette(Rounded):
    """A few colours, found in each picture by Pillow's median cut. (N, 3 or 1, H, W) -> the same.

    ``forward`` is x: which colours there will be is for the picture to decide, and no smooth function of it.
    """

    parameters_spec = (Parameter("colors", kind="int", bounds=(2, 256), required=True, help="how many are left"),)
    example = "palette:16"

    @property
    def noise(self):
        return FewColors(self.colors)
