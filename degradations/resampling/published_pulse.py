"""Super-resolution as in the published PULSE code (Menon et al. 2020; its ``BicubicDownSample``).

Inside the picture it is Pillow's bicubic filter. At the border it mirrors the picture, where Pillow cuts the filter and
normalises it, which differs by up to 0.06 on white noise. Odd factors are half a pixel off, so that factor 1 is not the
identity. It is an operator of its own so that published numbers can be reproduced; use ``sr`` otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SizeError
from degradations.resampling.resample import FILTERS
from degradations.resampling.super_resolution import Separable, scale_reduction
from degradations.scaling.units import TIMES


@lru_cache(maxsize=64)
def _make_reduction(n: int, factor: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return (n // factor, n): 4 factor taps at every factor-th pixel, 3 factor pixels of mirrored border in all."""
    bicubic, _ = FILTERS["bicubic"]
    taps = bicubic((np.arange(4 * factor) - 2 * factor + 0.5) / factor)
    before = 3 * factor // 2
    source = np.pad(np.arange(n), (before, 3 * factor - before), mode="reflect")
    matrix = np.zeros((n // factor, n))
    for i, row in enumerate(matrix):
        np.add.at(row, source[i * factor :][: 4 * factor], taps / taps.sum())
    return torch.from_numpy(matrix).to(device, dtype)


@register("sr-pulse")
class PulseSuperResolution(Separable):
    """Reduce the resolution as PULSE does: bicubic, mirrored at the border. (N, C, H, W) -> (N, C, h, w).

    h = H // factor, and w alike; factors are whole numbers. May overshoot [-1, 1] at edges.
    """

    multiscale = True
    parameters_spec = (
        Parameter(
            "factor",
            bounds=(1, 256),
            kind="int",
            unit=TIMES,
            required=True,
            help="how many times smaller each side becomes",
        ),
    )
    example = "sr-pulse:4"
    overshoot = 0.4

    def size(self, hw):
        if min(hw) < self.factor:
            raise SizeError(f"got a picture of {hw[0]}x{hw[1]}; {self.spec} needs sides of at least {self.factor}")
        return tuple(n // self.factor for n in hw)

    def _scaled(self, factor):
        """Return ``sr`` with a smaller factor: the same bicubic filter but for the border."""
        return scale_reduction(self, factor, "bicubic")

    def scale_of_y(self, factor):
        return min(1.0, factor * self.factor)

    def matrices(self, hw, dtype, device):
        self.size(hw)
        return tuple(_make_reduction(n, self.factor, dtype, device) for n in hw)
