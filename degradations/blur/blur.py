"""Blur by a Gaussian, by camera motion and by defocus. All are smooth in their parameters."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from degradations.blur.convolution import Convolution, is_visible
from degradations.constants import constant
from degradations.core.identity import vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.resampling.super_resolution import Separable
from degradations.scaling.units import DEGREES, PIXELS

REACH = 4.0  # standard deviations at which scipy.ndimage cuts a Gaussian
POSITIONS = 256  # samples along the path of the camera


def make_gaussian_matrix(n: int, sigma: Tensor, most_sigma: float) -> Tensor:
    """Return the matrix of ``scipy.ndimage.gaussian_filter1d(..., mode="reflect")``.

    Args:
        n: pixels of a line.
        sigma: standard deviation in pixels, (..., 1, 1).
        most_sigma: a number that sigma does not exceed.

    Returns:
        (..., n, n).
    """
    radius = (REACH * sigma + 0.5).floor().detach()
    most = math.floor(REACH * most_sigma + 0.5)
    offsets = torch.arange(-most, most + 1, device=sigma.device, dtype=sigma.dtype)

    def weigh(distance: Tensor) -> Tensor:
        return torch.exp(-((distance / sigma) ** 2) / 2) * (distance.abs() <= radius)

    total = weigh(offsets[None]).sum(-1, keepdim=True)
    i = torch.arange(n, device=sigma.device, dtype=sigma.dtype)
    there, mirror = i[:, None] - i, i[:, None] + i + 1
    matrix = weigh(there) + weigh(mirror)
    for turn in range(1, math.ceil(most / (2 * n) + 0.5) + 1):
        away = 2 * n * turn
        matrix = matrix + weigh(there - away) + weigh(there + away) + weigh(mirror - away) + weigh(mirror + away)
    return matrix / total


@lru_cache(maxsize=32)
def _make_fixed_gaussian_matrix(n: int, sigma: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return (n, n) for one sigma, cached; it must not be changed in place."""
    return make_gaussian_matrix(n, torch.tensor(sigma, dtype=torch.float64, device=device), sigma).to(dtype)


def _column(value: float | Tensor, like: Tensor) -> Tensor:
    """Convert a parameter, bound or not, to (1 or N, 1)."""
    if not isinstance(value, Tensor):
        return constant(((value,),), like)
    return value.to(like).reshape(-1, 1)


def _bilinear_weight(distance: Tensor) -> Tensor:
    """Return the weights of bilinear interpolation, max(0, 1 - |distance|).

    At the kinks the derivative is the mean of both sides, so that there is a gradient in the angle of a line along the
    pixels.
    """
    left = 1 - distance.abs()
    return (left + left.abs()) / 2


@register("blur")
class Blur(Separable):
    """Blur with a Gaussian: y = k_sigma * x. (N, C, H, W) -> (N, C, H, W).

    Equals ``scipy.ndimage.gaussian_filter(x, sigma, mode="reflect")`` in each channel: cut at 4 sigma, the picture
    mirrored at its border. Below 0.125 px it is the identity.
    """

    well_posed = False
    multiscale = True
    keeps_size = True
    parameters_spec = (
        Parameter(
            "sigma",
            1.0,
            bounds=(0.001, 64),
            plausible=(0.4, 6),
            unit=PIXELS,
            transform="log",
            help="standard deviation of the Gaussian",
        ),
    )
    example = "blur:1.5"

    def _scaled(self, factor):
        """Shrink sigma; a known one that is no longer visible gives the identity."""
        twin = super()._scaled(factor)
        return twin if twin.unknowns() or is_visible(twin.sigma) else vanish(self, factor)

    def matrices(self, hw, dtype, device):
        if not isinstance(self.sigma, Tensor):
            return tuple(_make_fixed_gaussian_matrix(n, self.sigma, dtype, device) for n in hw)
        sigma, most = self.sigma.to(device, torch.float64), self.upper_bound("sigma")
        height = make_gaussian_matrix(hw[0], sigma, most).to(dtype)
        return height, height if hw[0] == hw[1] else make_gaussian_matrix(hw[1], sigma, most).to(dtype)

    alignment = 1

    def reach(self, size):
        return math.floor(REACH * self.upper_bound("sigma") + 0.5)


@register("motion-blur")
class MotionBlur(Convolution):
    """Blur by camera motion along a straight line: y = k * x, k a line. (N, C, H, W) -> (N, C, H, W).

    y is the mean of the picture at the positions on the line, each by bilinear interpolation. The line is centred, so
    the picture is not shifted on the whole. Length 0 is the identity.
    """

    parameters_spec = (
        Parameter("length", 5.0, bounds=(0, 128), plausible=(1, 16), unit=PIXELS, help="how far the camera moved"),
        Parameter(
            "angle", 0.0, bounds=(-180, 180), plausible=(-90, 90), unit=DEGREES, help="0 is along rows, 90 upwards"
        ),
    )
    example = "motion-blur:length=5,angle=30"

    def _scaled(self, factor):
        """Shrink the length; a known one that is no longer visible gives the identity."""
        twin = super()._scaled(factor)
        is_unknown = "length" in twin.unknowns()
        return twin if is_unknown or is_visible(twin.length / math.sqrt(12)) else vanish(self, factor)

    def kernel(self, like):
        length, angle = (_column(p, like) for p in (self.length, self.angle))
        reach = int(self.upper_bound("length") / 2) + 1
        along = ((torch.arange(POSITIONS, dtype=like.dtype, device=like.device) + 0.5) / POSITIONS - 0.5) * length
        pixels = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)[:, None]
        turn = angle * (math.pi / 180)
        across, down = (_bilinear_weight(pixels - along[:, None] * way[..., None]) for way in (turn.cos(), -turn.sin()))
        return (down @ across.mT)[:, None] / POSITIONS


@register("defocus")
class Defocus(Convolution):
    """Blur by defocus: y = k * x, k a disc. (N, C, H, W) -> (N, C, H, W).

    The disc is even, with a border antialiased over one pixel. Up to a radius of half a pixel it is the identity.
    """

    parameters_spec = (
        Parameter(
            "radius",
            2.0,
            bounds=(0.002, 64),
            unit=PIXELS,
            plausible=(0.8, 10),
            transform="log",
            help="radius of the disc",
        ),
    )
    example = "defocus:1.5"

    def _scaled(self, factor):
        """Shrink the radius; a known one that is no longer visible gives the identity."""
        twin = super()._scaled(factor)
        return twin if twin.unknowns() or is_visible(twin.radius / 2) else vanish(self, factor)

    def kernel(self, like):
        radius = _column(self.radius, like)[..., None, None]
        reach = math.ceil(self.upper_bound("radius") + 0.5)
        square = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device).square()
        disc = (radius + 0.5 - (square[:, None] + square).sqrt()).clamp(0, 1)
        return disc / disc.sum((-2, -1), keepdim=True)
