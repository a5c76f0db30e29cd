"""Dark or missing lines of a screen or of an interlaced picture."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SpecError
from degradations.files.pictures import expect_pictures

SHADES = {"black": -1.0, "gray": 0.0}


@register("scanlines")
class Scanlines(Degradation):
    """Darken or remove lines at equal distances: y = (1 - l) x + l shade, l = strength on a line, else 0.

    (N, C, H, W) -> (N, C, H, W). The last ``width`` rows of every ``period`` are lines. With ``shade=gray,strength=1``
    they are missing, and mid-grey in y as in ``inpaint``: half of an interlaced picture.
    """

    scales = False
    keeps_size = True
    keeps_channels = True
    parameters_spec = (
        Parameter("strength", 0.5, bounds=(0, 1), help="share of a line that is lost"),
        Parameter("period", 2, kind="int", bounds=(2, 1024), unit="px", help="distance between the lines"),
        Parameter("width", 1, kind="int", bounds=(1, 1023), unit="px", help="height of a line"),
        Parameter("shade", "black", kind="choice", choices=tuple(SHADES), help="the tone that a line is mixed with"),
    )
    example = "scanlines:0.5"

    def __init__(self, strength: float = 0.5, period: int = 2, width: int = 1, shade: str = "black"):
        super().__init__(strength=strength, period=period, width=width, shade=shade)
        if self.width >= self.period:
            raise SpecError(f"scanlines: width={self.width} leaves nothing of a period of {self.period}; give less")
        self.linear = self.pointwise = self.shade == "gray"

    def _loss(self, y: Tensor) -> Tensor:
        """Return how much of each row is lost, from 0 to 1: (1 or N, 1, H, 1)."""
        lost = torch.arange(y.shape[-2], device=y.device) % self.period >= self.period - self.width
        strength = torch.as_tensor(self.strength, dtype=y.dtype, device=y.device)
        return lost.to(y.dtype)[:, None] * strength.reshape(-1, 1, 1, 1)

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
