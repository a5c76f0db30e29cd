"""What time, light and film do to colours, pixel by pixel.

Brightness v = (x + 1) / 2 is 0 at black and 1 at white; nothing here leaves these.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.constants import constant
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SizeError
from degradations.files.pictures import expect_pictures, luma
from degradations.operators.tone import Tone

# The three rows of the matrix that programs share, (0.393, 0.769, 0.189) and so on, are nearly one luma times these
# factors; the largest is made 1, so that white is not clipped.
SEPIA = (1.0, 0.890, 0.694)


def expand_to_rgb(x: Tensor) -> Tensor:
    """x (N, 3, H, W), or (N, 1, H, W) three times."""
    if expect_pictures(x).shape[1] not in (1, 3):
        raise SizeError(f"got {x.shape[1]} channels; colours are made of 3, or of 1 that is grey")
    return x.expand(-1, 3, -1, -1)


def stack_rgb(x: Tensor, values: tuple) -> Tensor:
    """(1 or N, 3, 1, 1) of x's type: one value for each of red, green and blue, floats or (N, 1, 1, 1)."""
    each = [torch.as_tensor(v, dtype=x.dtype, device=x.device).reshape(-1, 1, 1, 1) for v in values]
    return torch.cat(torch.broadcast_tensors(*each), 1)


@register("sepia")
class Sepia(Tone):
    """The colours became shades of brown. (N, 3 or 1, H, W) -> (N, 3, H, W).

    v becomes (1 - strength) * v + strength * brown * luma(v), with the luma of Rec. 601.
    """

    parameters_spec = (
        Parameter("strength", 1.0, bounds=(0, 1), plausible=(0.1, 1), help="0 keeps the colours, 1 leaves none"),
    )

    def forward(self, x):
        brown = constant(SEPIA, x)[:, None, None]
        return (1 - self.strength) * expand_to_rgb(x) + self.strength * (brown * (luma(x) + 1) - 1)

    def channels(self, c):
        return 3


class Light(Tone):
    """Of each colour some of its light is left; black stays. (N, 3 or 1, H, W) -> (N, 3, H, W)."""

    def transmission(self, x: Tensor) -> Tensor:
        """(1 or N, 3, 1, 1) of x's type, from 0 to 1: what is left of red, green and blue."""
        raise NotImplementedError

    def forward(self, x):
        transmission = self.transmission(x)
        return transmission * expand_to_rgb(x) + transmission - 1

    def channels(self, c):
        return 3


@register("white-balance")
class WhiteBalance(Light):
    """A colour cast: red, green and blue are multiplied by a factor each. (N, 3 or 1, H, W) -> (N, 3, H, W).

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

    def transmission(self, x):
        return stack_rgb(x, (self.red, self.green, self.blue))

    @torch.no_grad()
    def merge(self, x, y):
        """What became y, in [-1, 1]: nothing of x is needed, but where grey became coloured."""
        if x.shape[1] == 1:
            return super().merge(x, y)
        transmission = self.transmission(x.double())
        return ((y.double() + 1) / transmission - 1).clamp(-1, 1).expand_as(x).to(x)


@register("channel")
class Channel(Light):
    """One colour channel was lost, completely (it is black) or in part. (N, 3 or 1, H, W) -> (N, 3, H, W)."""

    parameters_spec = (
        Parameter("lost", kind="choice", choices=("red", "green", "blue"), required=True, help="which one"),
        Parameter("amount", 1.0, bounds=(0, 1), plausible=(0.2, 1), unit="of its light", help="how much of it is lost"),
    )
    example = "channel:blue"

    def transmission(self, x):
        return stack_rgb(x, tuple(1 - self.amount if name == self.lost else 1.0 for name in ("red", "green", "blue")))

    @torch.no_grad()
    def merge(self, x, y):
        """The other two colours are those of y, and so is the third as far as something is left of it."""
        if x.shape[1] == 1:
            return super().merge(x, y)
        transmission = self.transmission(x.double())
        found = ((y.double() + 1) / transmission.clamp_min(1e-12) - 1).clamp(-1, 1)
        return torch.where(transmission < 1e-3, x.double().clamp(-1, 1), found).to(x)
