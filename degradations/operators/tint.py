"""Changes of colour by time, light and film, pixel by pixel.

Brightness v = (x + 1) / 2 is 0 at black and 1 at white; all operators here map [0, 1] into itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.constants import constant
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.detail.restoration import remove_noise
from degradations.errors import SizeError
from degradations.files.pictures import LUMA, expect_pictures, luma
from degradations.operators.gray import Gray
from degradations.operators.tone import Tone
from degradations.scaling.units import COLOR, LIGHT

# The rows of the sepia matrix that many programs use, (0.393, 0.769, 0.189) and so on, are nearly one luma times these
# factors, here scaled so that the largest is 1 and white is not clipped.
SEPIA = (1.0, 0.890, 0.694)
TYPICAL = 0.2  # standard deviation of what x misses, against which noise is weighed when colours are inverted
SHARED = 0.9  # share of the detail of other channels that is found in a lost one, measured on photographs


def expand_to_rgb(x: Tensor) -> Tensor:
    """Return x (N, 3, H, W) unchanged, or x (N, 1, H, W) repeated to three channels.

    Raises:
        SizeError: other than 1 or 3 channels.
    """
    if expect_pictures(x).shape[1] not in (1, 3):
        raise SizeError(f"got {x.shape[1]} channels; expected 3 colours, or 1 that is grey")
    return x.expand(-1, 3, -1, -1)


def stack_rgb(x: Tensor, values: tuple) -> Tensor:
    """Stack one value each for red, green and blue.

    Args:
        x: gives dtype and device.
        values: three floats or tensors (N, 1, 1, 1).

    Returns:
        (1 or N, 3, 1, 1).
    """
    each = [torch.as_tensor(v, dtype=x.dtype, device=x.device).reshape(-1, 1, 1, 1) for v in values]
    return torch.cat(torch.broadcast_tensors(*each), 1)


@register("sepia")
class Sepia(Tone):
    """Tone in brown: v becomes (1 - strength) v + strength luma(v) brown. (N, 3 or 1, H, W) -> (N, 3, H, W).

    The luma is that of Rec. 601; brown is (1, 0.890, 0.694) in red, green and blue.
    """

    parameters_spec = (
        Parameter(
            "strength",
            1.0,
            bounds=(0, 1),
            plausible=(0.1, 1),
            unit=COLOR,
            help="0 keeps the colours, 1 replaces them by brown",
        ),
    )

    def forward(self, x):
        brown = constant(SEPIA, x)[:, None, None]
        return (1 - self.strength) * expand_to_rgb(x) + self.strength * (brown * (luma(x) + 1) - 1)

    def channels(self, c):
        return 3

    def undo(self, x, y, deviation):
        """Invert the colour matrix as far as the noise of y allows; what it does not show is that of x."""
        if x.shape[1] == 1:
            return super().undo(x, y, deviation)
        if self.strength == 1:
            y, deviation = remove_noise(self(x), y, deviation)
        matrix = self._matrix(y)
        ridge = (deviation.amax(1).square() / TYPICAL**2)[..., None] * torch.eye(3, device=y.device, dtype=y.dtype)
        inverse = matrix.mT @ torch.linalg.inv(matrix @ matrix.mT + ridge[:, 0])
        picture = x + torch.einsum("noc,nchw->nohw", inverse.expand(len(x), 3, 3), y - self(x))
        gain = inverse.square().sum(-1).sqrt()[..., None, None]
        return Gray().merge(picture, luma(picture)), gain * deviation

    def _matrix(self, like: Tensor) -> Tensor:
        """Return the map of colours to toned colours, (1 or N, 3, 3)."""
        strength = torch.as_tensor(self.strength, dtype=like.dtype, device=like.device).reshape(-1, 1, 1)
        brown, weights = constant(SEPIA, like)[:, None], constant(LUMA["rec601"], like)[None]
        return (1 - strength) * torch.eye(3, dtype=like.dtype, device=like.device) + strength * brown * weights


class ColorCast(Tone):
    """Dim each colour: v_c becomes t_c v_c, with a transmission t_c from 0 to 1. (N, 3 or 1, H, W) -> (N, 3, H, W).

    Black stays black. Subclasses define ``transmission``.
    """

    def transmission(self, x: Tensor) -> Tensor:
        """Return the transmission of red, green and blue: (1 or N, 3, 1, 1) of the dtype of x."""
        raise NotImplementedError

    def forward(self, x):
        transmission = self.transmission(x)
        return transmission * expand_to_rgb(x) + transmission - 1

    def channels(self, c):
        return 3

    @torch.no_grad()
    def merge(self, x, y):
        """Divide y by the transmission; channels of which nothing is left keep the values of x."""
        if x.shape[1] == 1:
            return super().merge(x, y)
        transmission = self.transmission(x.double())
        restored = ((y.double() + 1) / transmission.clamp_min(1e-12) - 1).clamp(-1, 1)
        return torch.where(transmission < 1e-3, x.double().clamp(-1, 1), restored).to(x)

    def undo(self, x, y, deviation):
        """Divide by the transmission; a lost channel is that of x, with the detail of the other channels."""
        transmission = self.transmission(y)
        lost = (transmission < 1e-3).expand(len(x), 3, 1, 1)
        if x.shape[1] == 1:
            return super().undo(x, y, deviation)
        if not bool(lost.any()):
            return (y + 1) / transmission - 1, deviation / transmission
        restored, deviation = remove_noise(x, self.merge(x, y), deviation / transmission.clamp_min(1e-3) * ~lost)
        detail = ((restored - x) * ~lost).sum(1, keepdim=True) / (~lost).sum(1, keepdim=True).clamp_min(1)
        return torch.where(lost, (x + SHARED * detail).clamp(-1, 1), restored), deviation


@register("white-balance")
class WhiteBalance(ColorCast):
    """Add a colour cast: red, green and blue are each multiplied by a factor. (N, 3 or 1, H, W) -> (N, 3, H, W).

    Factors are at most 1, so that nothing is clipped; a cast that keeps the exposure is the same cast made brighter.
    """

    parameters_spec = tuple(
        Parameter(
            name,
            1.0,
            bounds=(0.05, 1),
            plausible=(0.4, 1),
            transform="log",
            unit=LIGHT,
            help=f"share of the {name} that remains",
        )
        for name in ("red", "green", "blue")
    )
    example = "white-balance:green=0.8,blue=0.5"

    def transmission(self, x):
        return stack_rgb(x, (self.red, self.green, self.blue))


@register("channel")
class Channel(ColorCast):
    """Lose one colour channel, completely (it becomes black) or in part. (N, 3 or 1, H, W) -> (N, 3, H, W)."""

    parameters_spec = (
        Parameter("lost", kind="choice", choices=("red", "green", "blue"), required=True, help="which one"),
        Parameter("amount", 1.0, bounds=(0, 1), plausible=(0.2, 1), unit=LIGHT, help="share of it that is lost"),
    )
    example = "channel:blue"

    def transmission(self, x):
        return stack_rgb(x, tuple(1 - self.amount if name == self.lost else 1.0 for name in ("red", "green", "blue")))
