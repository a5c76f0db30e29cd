"""Geometric distortions: rotation, perspective and lens distortion, by bilinear interpolation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SpecError
from degradations.files.pictures import expect_pictures
from degradations.scaling.units import DEGREES, PIXELS, TIMES

SEEN = 1e-6  # weight of x above which a pixel of y counts as inside


class Warp(Degradation):
    """Resample the picture at other places: y(p) = x(source(p)). (N, C, H, W) -> (N, C, H, W).

    Outside x, y is mid-grey. Smooth in the parameters except where a sample passes a pixel centre. Subclasses define
    ``source``.
    """

    linear = True
    well_posed = False
    keeps_size = True
    keeps_channels = True

    def source(self, u: Tensor, v: Tensor, half: tuple[float, float]) -> tuple[Tensor, Tensor]:
        """Return the place in x that y shows at (u, v).

        Args:
            u: pixels to the right of the centre, (1, 1, W).
            v: pixels below the centre, (1, H, 1).
            half: half the width and half the height, in pixels.

        Returns:
            The place in the same coordinates, two tensors broadcastable to (1 or N, H, W).
        """
        raise NotImplementedError

    def _column(self, name: str, like: Tensor) -> Tensor:
        return torch.as_tensor(getattr(self, name), dtype=like.dtype, device=like.device).reshape(-1, 1, 1)

    def forward(self, x):
        h, w = expect_pictures(x).shape[-2:]
        v, u = (torch.arange(n, device=x.device, dtype=x.dtype) - (n - 1) / 2 for n in (h, w))
        u, v = self.source(u[None, None], v[None, :, None], (w / 2, h / 2))
        u, v = torch.broadcast_tensors(u / (w / 2), v / (h / 2))
        grid = torch.stack([u, v], -1).expand(len(x), h, w, 2)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)

    @torch.no_grad()
    def _empty(self, like: Tensor) -> Tensor:
        """Return the pixels of y that lie outside x: (1 or N, 1, H, W) bool."""
        return self(like.new_ones(self._count_bound_rows(), 1, *like.shape[-2:])) <= SEEN

    def _average(self, y, seen, size):
        """Average pixels outside x too: mid-grey blends into the border of x, as it does in y of the shrunk picture."""
        return super()._average(y, None if seen is None else seen.maximum(self._empty(y).to(y)), size)

    def set_known_values(self, y):
        """Set the pixels outside x to exactly mid-grey (0), which no 8-bit level equals."""
        return y.masked_fill(self._empty(y), 0)

    def uninformative(self, hw):
        bound = next(iter(self.bound_values().values()), torch.zeros(()))
        empty = self._empty(bound.new_zeros(1, 1, *hw))[:, 0]
        return empty if bool(empty.any()) else None

    alignment = None

    def reach(self, size):
        return None


@register("affine")
class Affine(Warp):
    """Scale, shear, rotate and shift the picture about its centre, in this order: y(p) = x(M^-1 p).

    (N, C, H, W) -> (N, C, H, W). Bilinear; where the frame is left empty, y is mid-grey.
    """

    parameters_spec = (
        Parameter("angle", 0.0, bounds=(-180, 180), unit=DEGREES, plausible=(-30, 30), help="counter-clockwise"),
        Parameter(
            "scale",
            1.0,
            bounds=(0.1, 10),
            unit=TIMES,
            transform="log",
            plausible=(0.7, 1.4),
            help="above 1 the picture becomes larger",
        ),
        Parameter("shear", 0.0, bounds=(-60, 60), unit=DEGREES, plausible=(-15, 15), help="the top moves to the right"),
        Parameter("right", 0.0, bounds=(-4096, 4096), unit=PIXELS, plausible=(-8, 8), help="shift to the right"),
        Parameter("down", 0.0, bounds=(-4096, 4096), unit=PIXELS, plausible=(-8, 8), help="shift downwards"),
    )
    example = "affine:angle=10,scale=0.9"

    def source(self, u, v, half):
        angle, scale, shear, right, down = (self._column(p.name, u) for p in self.parameters_spec)
        cos, sin = (angle * (math.pi / 180)).cos(), (angle * (math.pi / 180)).sin()
        u, v = u - right, v - down
        u, v = u * cos - v * sin, u * sin + v * cos
        return (u + v * (shear * (math.pi / 180)).tan()) / scale, v / scale


@register("perspective")
class Perspective(Warp):
    """View the picture at an angle: y(u, v) = x((u, v) / (1 - across u - down v)).

    (N, C, H, W) -> (N, C, H, W). u and v go from -1 to 1, and the centre stays. One edge is further away and looks
    smaller; where the frame is left empty, y is mid-grey.
    """

    parameters_spec = (
        Parameter("across", 0.0, bounds=(-0.9, 0.9), plausible=(-0.4, 0.4), help="above 0: the right is further away"),
        Parameter("down", 0.0, bounds=(-0.9, 0.9), plausible=(-0.4, 0.4), help="above 0: below is further away"),
    )
    example = "perspective:0.2"

    def __init__(self, across: float = 0.0, down: float = 0.0):
        super().__init__(across=across, down=down)
        if abs(self.across) + abs(self.down) > 0.95:
            raise SpecError(
                f"perspective: across={self.across:g} and down={self.down:g} look along the picture; "
                "their sizes may sum to 0.95"
            )

    def source(self, u, v, half):
        across, down = (self._column(p.name, u) for p in self.parameters_spec)
        depth = (1 - across * (u / half[0]) - down * (v / half[1])).clamp_min(0.02)
        return u / depth, v / depth


@register("lens")
class Lens(Warp):
    """Distort as a lens does, bending straight lines: y(p) = x(p (1 + k r^2 + k2 r^4)). (N, C, H, W) -> (N, C, H, W).

    Brown's radial distortion, with r = 1 in the corners. ``k`` above 0 is a barrel (the corners are drawn in, and y is
    mid-grey outside them), below 0 a pincushion.
    """

    parameters_spec = (
        Parameter("k", 0.0, bounds=(-0.3, 1), plausible=(-0.2, 0.4), help="coefficient of r^2"),
        Parameter("k2", 0.0, bounds=(-0.15, 1), plausible=(-0.1, 0.2), help="coefficient of r^4"),
    )
    example = "lens:0.2"

    def source(self, u, v, half):
        k, k2 = (self._column(p.name, u) for p in self.parameters_spec)
        r2 = (u.square() + v.square()) / (half[0] ** 2 + half[1] ** 2)
        stretch = 1 + k * r2 + k2 * r2.square()
        return u * stretch, v * stretch
