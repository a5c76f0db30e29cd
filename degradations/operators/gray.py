"""Conversion to grey."""

from __future__ import annotations

import torch

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.detail.restoration import remove_noise
from degradations.files.pictures import LUMA, expect_pictures, luma


@register("gray")
class Gray(Degradation):
    """Convert to grey: y = 0.299 R + 0.587 G + 0.114 B (Rec. 601 luma). (N, 3, H, W) -> (N, 1, H, W).

    ``luma=dgp`` has the weights of the published DGP code, 0.2989, 0.5870 and 0.1140, whose sum is 0.9999.
    """

    linear = True
    pointwise = True
    multiscale = True
    keeps_size = True
    parameters_spec = (
        Parameter("luma", "rec601", kind="choice", choices=tuple(LUMA), help="weights of red, green and blue"),
    )

    def __init__(self, luma: str = "rec601"):
        super().__init__(luma=luma)

    def forward(self, x):
        return luma(expect_pictures(x), LUMA[self.luma])

    def channels(self, c):
        return 1

    def convert_to_gray(self, picture):
        return self(picture)

    @torch.no_grad()
    def merge(self, x, y):
        """Take the luma of y exactly, and the chroma of x, shrunk towards grey as far as [-1, 1] requires."""
        weights = LUMA[self.luma]
        total = sum(weights)
        grey = (y.double() / total).clamp(-1, 1)
        chroma = x.double() - luma(x.double(), weights) / total
        room = torch.where(chroma > 0, 1 - grey, 1 + grey) / chroma.abs().clamp_min(1e-12)
        keep = room.amin(1, keepdim=True).clamp(0, 1)
        return (grey + keep * chroma).clamp(-1, 1).to(x)

    def propagate_unobserved(self, size, uninformative, channels=3):
        return uninformative

    def undo(self, x, y, deviation):
        """Remove the noise of y, then take its luma and the chroma of x."""
        y, deviation = remove_noise(self(x), y, deviation)
        return self.merge(x, y), deviation

    alignment = 1
