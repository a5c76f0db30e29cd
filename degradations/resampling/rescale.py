"""Pictures that were reduced and enlarged again, once or several times."""

from __future__ import annotations

import math
import re
from functools import lru_cache

import torch
from torch import Tensor

from degradations.core.identity import vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SpecError
from degradations.resampling.resample import FILTERS, NAMES, matrix
from degradations.resampling.super_resolution import Separable
from degradations.scaling.laws import compute_noise_gain

HIGHEST = 256


@lru_cache(maxsize=32)
def _make_round_trips(n: int, factors: tuple[float, ...], *, down: str, up: str, device: torch.device) -> Tensor:
    """Return (n, n) float64, the product of reducing to each size and enlarging again, one after the other."""
    result = torch.eye(n, dtype=torch.float64, device=device)
    for factor in factors:
        small = max(1, int(n / factor))
        shrink, enlarge = (
            matrix(*way, dtype=torch.float64, device=device) for way in ((n, small, down), (small, n, up))
        )
        result = enlarge @ shrink @ result
    return result


@register("rescale")
class Rescale(Separable):
    """Reduce the picture and enlarge it again, once for each factor: y = U D x. (N, C, H, W) -> (N, C, H, W).

    ``rescale:4`` goes to floor(n / 4) pixels and back; ``rescale:2-3-1.5`` does so three times, with a half, a third
    and two thirds. Both filters are Pillow's. ``rescale:factor=8,filter=box,up=nearest`` is the pixelation that hides
    faces. Bicubic and Lanczos may overshoot [-1, 1]; files clip that.
    """

    well_posed = False
    multiscale = True
    keeps_size = True
    parameters_spec = (
        Parameter(
            "factor", kind="text", required=True, help="how many times smaller each side becomes; several joined by -"
        ),
        Parameter("filter", "bicubic", kind="choice", choices=NAMES, help="Pillow's filter on the way down"),
        Parameter("up", "bicubic", kind="choice", choices=NAMES, help="Pillow's filter on the way up"),
    )
    example = "rescale:4"

    def __init__(self, factor: str | float | None = None, filter: str = "bicubic", up: str = "bicubic"):
        super().__init__(factor=factor, filter=filter, up=up)
        if not re.fullmatch(r"\d+(\.\d+)?(-\d+(\.\d+)?)*", self.factor):
            raise SpecError(f"rescale: factor={self.factor} is not a number such as 4, or several such as 2-3-1.5")
        self.factors = tuple(float(text) for text in self.factor.split("-"))
        if not all(1 <= factor <= HIGHEST for factor in self.factors):
            raise SpecError(f"rescale: factor={self.factor} is out of range; expected numbers from 1 to {HIGHEST}")
        lobes = {"bicubic": 1.4, "lanczos": 1.8}
        overshoot_of_one = lobes.get(self.filter, 1.0) * lobes.get(self.up, 1.0)
        self.overshoot = overshoot_of_one ** len(self.factors) - 1

    def _scaled(self, factor):
        """Multiply the factors; those that do not exceed 1 then are left out."""
        kept = [f"{f * factor:.6f}".rstrip("0").rstrip(".") for f in self.factors if f * factor > 1 + 1e-6]
        if not kept:
            return vanish(self, factor)
        twin = Rescale("-".join(kept), self.filter, self.up)
        twin.noise = None if self.noise is None else self.noise.averaged(compute_noise_gain(factor))
        return twin

    def matrices(self, hw, dtype, device):
        return tuple(
            _make_round_trips(n, self.factors, down=self.filter, up=self.up, device=device).to(dtype) for n in hw
        )

    @property
    def alignment(self):
        if not all(factor.is_integer() for factor in self.factors):
            return None
        return math.lcm(*map(int, self.factors))

    def reach(self, size):
        """Return the sum of the supports of all filters, if the sizes of the picture are multiples of the factors."""
        if self.alignment is None or any(n % self.alignment for n in size):
            return None
        supports = (FILTERS[name][1] if name in FILTERS else 1 for name in (self.filter, self.up))
        support = math.ceil(sum(supports)) + 1
        return sum(support * int(factor) for factor in self.factors)

    def part(self, box, size):
        if self.alignment is None or any(n % self.alignment for n in (*size, *box)):
            return None
        return self
