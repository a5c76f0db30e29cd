"""What time and film do to brightness, pixel by pixel.

Brightness v = (x + 1) / 2 is 0 at black and 1 at white; every curve here stays within these.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.files.pictures import expect_pictures

TOE = 1 / 255  # brightness of the level next to black: below it a gamma curve is a straight line


class Tone(Degradation):
    """Pixels keep their places, and all of them are seen."""

    keeps_size = True

    def propagate_unobserved(self, size, uninformative, channels=3):
        return uninformative


class Curve(Tone):
    """Each number by itself, by a curve that rises: ``inverse`` undoes it. (N, C, H, W) -> (N, C, H, W)."""

    keeps_channels = True

    def inverse(self, y: Tensor) -> Tensor:
        """The number that becomes y; of any y, also one that no picture gives."""
        raise NotImplementedError

    @torch.no_grad()
    def merge(self, x, y):
        """What became y, in [-1, 1]; a number that becomes y already stays."""
        exact, picture, y = self._in_double(), x.double().clamp(-1, 1), y.double()
        return torch.where((exact(picture) - y).abs() < 1e-6, picture, exact.inverse(y).clamp(-1, 1)).to(x)


@register("fade")
class Fade(Curve):
    """Contrast is lost around mid-grey, and black becomes grey while white stays white. (N, C, H, W) -> the same.

    y = black + (1 - black) * contrast * x.
    """

    parameters_spec = (
        Parameter(
            "contrast",
            0.6,
            bounds=(0.05, 1),
            plausible=(0.2, 1),
            transform="log",
            unit="of what it was",
            help="how much of the contrast is left",
        ),
        Parameter(
            "black",
            0.1,
            bounds=(0, 0.9),
            plausible=(0, 0.5),
            unit="of the range from black to white",
            help="how bright black becomes",
        ),
    )
    example = "fade:contrast=0.6,black=0.1"

    def forward(self, x):
        return self.black + (1 - self.black) * self.contrast * expect_pictures(x)

    def inverse(self, y):
        return (y - self.black) / ((1 - self.black) * self.contrast)


@register("gamma")
class Gamma(Curve):
    """v becomes v^gamma: above 1 darker, below 1 brighter, black and white stay. (N, C, H, W) -> the same.

    Exact at every one of the 256 levels. Between black and the level next to it the curve is a straight line, and
    so it is beyond black and white, where pictures that overshoot may be.
    """

    parameters_spec = (
        Parameter(
            "gamma",
            bounds=(0.1, 10),
            plausible=(0.4, 2.5),
            transform="log",
            required=True,
            help="the exponent of the brightness; above 1 is darker",
        ),
    )
    example = "gamma:2.2"

    def forward(self, x):
        v = (expect_pictures(x) + 1) / 2
        curve = v.clamp(TOE, 1) ** self.gamma
        return 2 * (curve + (v.clamp_max(TOE) - TOE) * self._toe() + (v - 1).clamp_min(0)) - 1

    def _toe(self) -> Tensor | float:
        """Slope of the line from black to where the curve begins."""
        return TOE ** (self.gamma - 1)

    def inverse(self, y):
        v = (y + 1) / 2
        begins = TOE**self.gamma
        rising = torch.minimum(v, torch.as_tensor(begins, dtype=v.dtype, device=v.device))
        return 2 * (rising / self._toe() + v.clamp_min(begins).clamp_max(1) ** (1 / self.gamma) - TOE) - 1
