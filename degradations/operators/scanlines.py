"""Dark or missing lines of a screen or of an interlaced picture."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.core.base import Degradation, Size
from degradations.core.identity import vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SpecError
from degradations.files.pictures import expect_pictures
from degradations.scaling.shrinking import shrink_mask, shrink_picture
from degradations.scaling.units import LINE, PIXELS

SHADES = {"black": -1.0, "gray": 0.0}
ROWS = 64  # of a picture on which it is tried whether any lines are left


def shrink_lines(lost: Tensor, size: Size) -> Tensor:
    """Return which share of each pixel of a shrunk picture is on lines: bool -> float64 in [0, 1]."""
    return shrink_picture(lost.double(), size).clamp_max(1)


@register("scanlines")
class Scanlines(Degradation):
    """Darken or remove lines at equal distances: y = (1 - l) x + l shade, l = strength on a line, else 0.

    (N, C, H, W) -> (N, C, H, W). The last ``width`` rows of every ``period`` are lines. With ``shade=gray,strength=1``
    they are missing, and mid-grey in y as in ``inpaint``: half of an interlaced picture.
    """

    scales = False
    keeps_size = True
    keeps_places = True
    keeps_channels = True
    parameters_spec = (
        Parameter("strength", 0.5, bounds=(0, 1), unit=LINE, help="share of a line that is lost"),
        Parameter("period", 2, kind="int", bounds=(2, 1024), unit=PIXELS, help="distance between the lines"),
        Parameter("width", 1, kind="int", bounds=(1, 1023), unit=PIXELS, help="height of a line"),
        Parameter("shade", "black", kind="choice", choices=tuple(SHADES), help="the tone that a line is mixed with"),
    )
    example = "scanlines:0.5"

    def __init__(self, strength: float = 0.5, period: int = 2, width: int = 1, shade: str = "black"):
        super().__init__(strength=strength, period=period, width=width, shade=shade)
        if self.width >= self.period:
            raise SpecError(f"scanlines: width={self.width} leaves nothing of a period of {self.period}; give less")
        self.linear = self.pointwise = self.shade == "gray"
        self.factor = 1.0

    def _scaled(self, factor):
        """Return the lines as they are seen in the shrunk picture, merged to an even loss where they are narrow.

        ``period`` and ``width`` remain those of the full picture. Lines that are missing (grey and lost completely) are
        left out of the averages: only rows that see hardly anything else are missing then, and if there are none the
        result is the identity.
        """
        twin = self._shallow_copy()
        twin.asked, twin.factor = None, self.factor * factor
        has_lines = not self._is_missing() or bool(twin._loss(torch.zeros(1, 1, ROWS, 1)).any())
        return twin if has_lines else vanish(self, factor)

    def _is_missing(self) -> bool:
        is_known = not self.unknowns() and not isinstance(self.strength, Tensor)
        return is_known and self.shade == "gray" and self.strength == 1

    def _loss(self, y: Tensor) -> Tensor:
        """Return how much of each row is lost, from 0 to 1: (1 or N, 1, H, 1)."""
        rows = round(y.shape[-2] / self.factor)
        lost = torch.arange(rows, device=y.device) % self.period >= self.period - self.width
        if self.factor != 1:
            shrink = shrink_mask if self._is_missing() else shrink_lines
            lost = shrink(lost[:, None].expand(1, 1, -1, 2), (y.shape[-2], 2))[0, 0, :, 0]
        lost = lost.to(y.dtype)[:, None]
        strength = torch.as_tensor(self.strength, dtype=y.dtype, device=y.device)
        return lost * strength.reshape(-1, 1, 1, 1)

    def forward(self, x):
        loss = self._loss(expect_pictures(x))
        return x * (1 - loss) + SHADES[self.shade] * loss

    def adjoint(self, y, size):
        return y * (1 - self._loss(y)) if self.linear else super().adjoint(y, size)

    def set_known_values(self, y):
        return torch.where(self._loss(y) == 1, SHADES[self.shade], y)

    @torch.no_grad()
    def merge(self, x, y):
        """Undo the mixing; rows that are lost completely keep the values of x."""
        loss = self._loss(x.double())
        bright = (y.double() - SHADES[self.shade] * loss) / (1 - loss).clamp_min(1e-12)
        return torch.where(loss == 1, x.double(), bright).clamp(-1, 1).to(x)

    def propagate_unobserved(self, size, uninformative, channels=3):
        like = torch.zeros(
            1, 1, *size, dtype=torch.float64, device=None if uninformative is None else uninformative.device
        )
        lost = (self._loss(like) == 1)[:, 0].expand(-1, *size)
        return lost if uninformative is None else lost | uninformative

    def undo(self, x, y, deviation):
        """Undo the mixing, and fill rows that are lost completely from those beside them."""
        loss = self._loss(y)
        gain = (1 / (1 - loss).clamp_min(1e-3)).square()[loss < 1].mean().sqrt()
        return self._fill(x, self.merge(x, y), (loss < 1).expand(-1, -1, -1, x.shape[-1]), gain * deviation)

    @property
    def alignment(self):
        return self.period

    def reach(self, size):
        return 0
