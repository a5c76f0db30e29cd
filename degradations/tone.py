"""What time, light and film do to colours, pixel by pixel.

Brightness v = (x + 1) / 2 is 0 at black and 1 at white; every curve here stays within these.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.base import Degradation
from degradations.errors import SizeError
from degradations.parameter import Parameter
from degradations.pictures import expect_pictures, luma
from degradations.registry import register

# The three rows of the matrix that programs share, (0.393, 0.769, 0.189) and so on, are nearly one luma times these
# factors; the largest is made 1, so that white is not clipped.
SEPIA = (1.0, 0.890, 0.694)
TOE = 1 / 255  # brightness of the level next to black: below it a gamma curve is a straight line


def coloured(x: Tensor) -> Tensor:
    """x (N, 3, H, W), or (N, 1, H, W) three times."""
    if expect_pictures(x).shape[1] not in (1, 3):
        raise SizeError(f"got {x.shape[1]} channels; colours are made of 3, or of 1 that is grey")
    return x.expand(-1, 3, -1, -1)


def thirds(x: Tensor, values: tuple) -> Tensor:
    """(1 or N, 3, 1, 1) of x's type: one value for each of red, green and blue, floats or (N, 1, 1, 1)."""
    each = [torch.as_tensor(v, dtype=x.dtype, device=x.device).reshape(-1, 1, 1, 1) for v in values]
    return torch.cat(torch.broadcast_tensors(*each), 1)


class Tone(Degradation):
    """Pixels keep their places, and all of them are seen."""

    def size(self, hw):
        return tuple(hw)

    def hidden(self, size, below, channels=3):
        return below


class Curve(Tone):
    """Each number by itself, by a curve that rises: ``inverse`` undoes it. (N, C, H, W) -> (N, C, H, W)."""

    def inverse(self, y: Tensor) -> Tensor:
        """The number that becomes y; of any y, also one that no picture gives."""
        raise NotImplementedError

    def channels(self, c):
        return c

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
        return 2 * (curve + (v.clamp_max(TOE) - TOE) * self._toe(v) + (v - 1).clamp_min(0)) - 1

    def _toe(self, v: Tensor) -> Tensor | float:
        """Slope of the line from black to where the curve begins."""
        return TOE ** (self.gamma - 1)

    def inverse(self, y):
        v = (y + 1) / 2
        begins = TOE**self.gamma
        rising = torch.minimum(v, torch.as_tensor(begins, dtype=v.dtype, device=v.device))
        return 2 * (rising / self._toe(v) + v.clamp_min(begins).clamp_max(1) ** (1 / self.gamma) - TOE) - 1


@register("sepia")
class Sepia(Tone):
    """The colours gave way to shades of brown. (N, 3 or 1, H, W) -> (N, 3, H, W).

    v becomes (1 - strength) * v + strength * brown * luma(v), with the luma of Rec. 601.
    """

    parameters_spec = (
        Parameter("strength", 1.0, bounds=(0, 1), plausible=(0.1, 1), help="0 keeps the colours, 1 leaves none"),
    )

    def forward(self, x):
        brown = x.new_tensor(SEPIA)[:, None, None]
        return (1 - self.strength) * coloured(x) + self.strength * (brown * (luma(x) + 1) - 1)

    def channels(self, c):
        return 3


@register("white-balance")
class WhiteBalance(Tone):
    """Light of another colour: red, green and blue are shares of what they were. (N, 3 or 1, H, W) -> (N, 3, H, W).

    Shares are at most 1, so that nothing is clipped; a cast with the exposure kept is the same, made brighter.
    """

    parameters_spec = tuple(
        Parameter(
            name,
            1.0,
            bounds=(0.05, 1),
            plausible=(0.4, 1),
            transform="log",
            unit="of the light",
            help=f"how much of the {name} is left",
        )
        for name in ("red", "green", "blue")
    )
    example = "white-balance:green=0.8,blue=0.5"

    def forward(self, x):
        left = thirds(x, (self.red, self.green, self.blue))
        return left * coloured(x) + left - 1

    def channels(self, c):
        return 3

    @torch.no_grad()
    def merge(self, x, y):
        """What became y, in [-1, 1]: nothing of x is needed, but where grey became coloured."""
        if x.shape[1] == 1:
            return super().merge(x, y)
        left = thirds(x.double(), (self.red, self.green, self.blue))
        return ((y.double() + 1) / left - 1).clamp(-1, 1).expand_as(x).to(x)


@register("channel")
class Channel(Tone):
    """One of the three colours was lost, wholly (it is black) or in part. (N, 3 or 1, H, W) -> (N, 3, H, W)."""

    parameters_spec = (
        Parameter("lost", kind="choice", choices=("red", "green", "blue"), required=True, help="which one"),
        Parameter("amount", 1.0, bounds=(0, 1), plausible=(0.2, 1), unit="of its light", help="how much of it is lost"),
    )
    example = "channel:blue"

    def _left(self, x: Tensor) -> Tensor:
        return thirds(x, tuple(1 - self.amount if name == self.lost else 1.0 for name in ("red", "green", "blue")))

    def forward(self, x):
        left = self._left(x)
        return left * coloured(x) + left - 1

    def channels(self, c):
        return 3

    @torch.no_grad()
    def merge(self, x, y):
        """The other two colours are those of y, and so is the third as far as something is left of it."""
        if x.shape[1] == 1:
            return super().merge(x, y)
        left = self._left(x.double())
        found = ((y.double() + 1) / left.clamp_min(1e-12) - 1).clamp(-1, 1)
        return torch.where(left < 1e-3, x.double().clamp(-1, 1), found).to(x)
