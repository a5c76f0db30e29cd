"""The colour filter array of a camera sensor: one colour for each pixel."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.identity import vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.detail.restoration import NOTICEABLE, remove_noise
from degradations.errors import SizeError
from degradations.files.pictures import expect_pictures
from degradations.scaling.shrinking import shrink_seen
from degradations.solvers.sparse_solution import fill_sparsely

PATTERNS = ("rggb", "bggr", "grbg", "gbrg")


@lru_cache(maxsize=32)
def _filters(pattern: str, size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return (1, 3, H, W), 1 where a pixel measures the channel."""
    numbers = torch.tensor(["rgb".index(letter) for letter in pattern], device=device).view(2, 2)
    down, across = (torch.arange(n, device=device) % 2 for n in size)
    return F.one_hot(numbers[down[:, None], across], 3).permute(2, 0, 1)[None].to(dtype)


@register("mosaic")
class Mosaic(Degradation):
    """Keep one colour of each pixel, as a Bayer filter does: y = sum_c filter_c x_c. (N, 3, H, W) -> (N, 1, H, W).

    ``pattern`` names the colours of the top left 2 x 2 pixels, row by row. Colour files of such pictures, in which each
    pixel is black but for its own channel, can be read as well as grey ones. ``lift`` is bilinear demosaicing.
    """

    linear = True
    pointwise = True
    keeps_size = True
    scales = False
    parameters_spec = (
        Parameter("pattern", "rggb", kind="choice", choices=PATTERNS, help="colours of the top left four pixels"),
    )

    def _filters(self, like: Tensor) -> Tensor:
        return _filters(self.pattern, tuple(like.shape[-2:]), like.dtype, like.device)

    def forward(self, x):
        if expect_pictures(x).shape[1] != 3:
            raise SizeError(f"got {x.shape[1]} channels; {self._title()} needs 3: red, green and blue")
        return (x * self._filters(x)).sum(1, keepdim=True)

    def _scaled(self, factor):
        """Return the identity: averages over a few pixels have all three colours (``shrink`` forms them)."""
        return vanish(self, factor)

    def _average(self, y, seen, size):
        """Return the averages of each colour over the pixels that measure it: (N, 1, h, w) -> (N, 3, *size)."""
        filters = self._filters(y)
        return shrink_seen(y.expand(-1, 3, -1, -1), filters if seen is None else filters * seen, size)

    def adjoint(self, y, size):
        return y * self._filters(y)

    def channels(self, c):
        return 1

    def convert_to_gray(self, picture):
        return self(picture)

    def lift(self, y, size):
        return self._interpolate(y.expand(-1, 3, -1, -1), self._filters(y))

    @torch.no_grad()
    def merge(self, x, y):
        """Replace the measured values of x by those of y, channel by channel."""
        return torch.where(self._filters(x) > 0, y.to(x), x).clamp(-1, 1)

    def propagate_unobserved(self, size, uninformative, channels=3):
        return uninformative

    def undo(self, x, y, deviation):
        """Demosaic y; what it does not measure differs from x by as sparse a change as possible."""
        if float(deviation.max()) >= NOTICEABLE:
            y, deviation = self(remove_noise(x, self._demosaic(y), deviation)[0]), deviation / 2
        known = self._filters(y) > 0
        return fill_sparsely(x, y.expand_as(x), known, start=self._demosaic(y)), deviation

    def _demosaic(self, y: Tensor) -> Tensor:
        """Return green corrected by the curvature of the measured colour, and bilinear differences of colour from it.

        The correction has the weight 1/2 of H. Malvar, L. He, R. Cutler 2004, "High-quality linear interpolation for
        demosaicing of Bayer-patterned color images".
        """
        filters = self._filters(y)
        around = F.pad(y, (2, 2, 2, 2), mode="reflect")
        rows, columns = around[..., 2:-2], around[..., 2:-2, :]
        mean = (rows[..., :-4, :] + rows[..., 4:, :] + columns[..., :-4] + columns[..., 4:]) / 4
        green = self._interpolate(y.expand(-1, 3, -1, -1), filters)[:, 1:2]
        green = torch.where(filters[:, 1:2] > 0, y, green + (y - mean) / 2)
        return torch.where(filters > 0, y, green + self._interpolate(y - green.expand(-1, 3, -1, -1), filters))

    @staticmethod
    def _interpolate(values: Tensor, filters: Tensor) -> Tensor:
        """Interpolate bilinearly what the filters measure of (N, 3, H, W)."""
        line = values.new_tensor([1, 2, 1])
        kernel = (line[:, None] * line).expand(3, 1, 3, 3)
        return F.conv2d(values * filters, kernel, padding=1, groups=3) / F.conv2d(
            filters, kernel, padding=1, groups=3
        ).clamp_min(1)

    alignment = 2
