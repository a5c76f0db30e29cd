"""Changes of brightness over time and on film, pixel by pixel.

Brightness v = (x + 1) / 2 is 0 at black and 1 at white; every curve here maps [0, 1] into itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.detail.restoration import NOTICEABLE
from degradations.files.pictures import expect_pictures
from degradations.noise.model import ROUNDING
from degradations.scaling.units import CONTRAST, RANGE

TOE = 1 / 255  # brightness of the level next to black, below which the gamma curve is a straight line


class Tone(Degradation):
    """Change each pixel by itself: pixels keep their places, and all of them are observed."""

    keeps_size = True
    keeps_places = True
    multiscale = True

    alignment = 1

    def propagate_unobserved(self, size, uninformative, channels=3):
        return uninformative

    def reach(self, size):
        return 0


class Curve(Tone):
    """Apply a rising curve to each value: y = curve(x). (N, C, H, W) -> (N, C, H, W).

    Subclasses define ``forward`` and ``inverse``.
    """

    keeps_channels = True

    def inverse(self, y: Tensor) -> Tensor:
        """Return the value that the curve maps to y, also for a y that no picture in [-1, 1] gives."""
        raise NotImplementedError

    @torch.no_grad()
    def merge(self, x, y):
        """Invert the curve and clip to [-1, 1]; a value that already gives y stays unchanged."""
        exact, picture, y = self._in_double(), x.double().clamp(-1, 1), y.double()
        return torch.where((exact(picture) - y).abs() < 1e-6, picture, exact.inverse(y).clamp(-1, 1)).to(x)

    def undo(self, x, y, deviation):
        """Invert the curve without clipping, which would bias values whose noise is still to be removed."""
        if float(deviation.max()) < NOTICEABLE:
            return super().undo(x, y, deviation)
        picture = self.inverse(y)
        slope = (self.inverse(y + ROUNDING) - picture) / ROUNDING
        return picture, slope.square().mean((2, 3), keepdim=True).sqrt() * deviation


@register("fade")
class Fade(Curve):
    """Fade the picture: y = black + (1 - black) * contrast * x. (N, C, H, W) -> the same.

    Contrast is lost around mid-grey; then black becomes grey, while white stays white.
    """

    parameters_spec = (
        Parameter(
            "contrast",
            0.6,
            bounds=(0.05, 1),
            plausible=(0.2, 1),
            transform="log",
            unit=CONTRAST,
            help="share of the contrast that remains",
        ),
        Parameter(
            "black",
            0.1,
            bounds=(0, 0.9),
            plausible=(0, 0.5),
            unit=RANGE,
            help="brightness of what was black",
        ),
    )
    example = "fade:contrast=0.6,black=0.1"

    def forward(self, x):
        return self.black + (1 - self.black) * self.contrast * expect_pictures(x)

    def inverse(self, y):
        return (y - self.black) / ((1 - self.black) * self.contrast)


@register("gamma")
class Gamma(Curve):
    """Apply a gamma curve: v becomes v^gamma, with brightness v = (x + 1) / 2. (N, C, H, W) -> the same.

    Above 1 the picture becomes darker, below 1 brighter; black and white stay. Exact at all of the 256 levels of a
    file. Between black and the next level, and beyond black and white, where pictures may overshoot, the curve is a
    straight line.
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
        """Return the slope of the straight line between black and the beginning of the curve."""
        return TOE ** (self.gamma - 1)

    def inverse(self, y):
        v = (y + 1) / 2
        begins = TOE**self.gamma
        rising = torch.minimum(v, torch.as_tensor(begins, dtype=v.dtype, device=v.device))
        return 2 * (rising / self._toe() + v.clamp_min(begins).clamp_max(1) ** (1 / self.gamma) - TOE) - 1
