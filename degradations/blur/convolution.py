"""Convolution with a small kernel, the picture mirrored at its border, and what is common to such operators."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.core.base import Degradation
from degradations.files.pictures import expect_pictures


@lru_cache(maxsize=128)
def mirror_indices(n: int, before: int, after: int, device: torch.device) -> Tensor:
    """(before + n + after,) int64: the pixel of a line of n that stands at -before, ..., n + after - 1 when the line is
    mirrored at its edges (scipy's ``reflect``: the outermost pixel is repeated), as often as it takes."""
    place = torch.arange(-before, n + after, device=device) % (2 * n)
    return torch.minimum(place, 2 * n - 1 - place)


def _borders(size: int) -> tuple[int, int]:
    """How many pixels a kernel of this size reaches beyond the two ends of a line; its centre is ``size // 2``."""
    return size - 1 - size // 2, size // 2


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """As ``scipy.ndimage.convolve(..., mode="reflect")``, by Fourier transforms.

    Args:
        x: (N, C, H, W).
        kernel: (1 or N, 1, h, w), of any size, also larger than the picture.
    """
    for axis, size in ((-2, kernel.shape[-2]), (-1, kernel.shape[-1])):
        x = x.index_select(axis, mirror_indices(x.shape[axis], *_borders(size), x.device))
    shape = tuple(x.shape[-2:])
    y = torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(kernel, s=shape), s=shape)
    return y[..., kernel.shape[-2] - 1 :, kernel.shape[-1] - 1 :]


def correlate(y: Tensor, kernel: Tensor) -> Tensor:
    """The adjoint of ``convolve``: A^T y, (N, C, H, W) -> (N, C, H, W)."""
    hw, (h, w) = tuple(y.shape[-2:]), kernel.shape[-2:]
    y = F.pad(y, (w - 1, 0, h - 1, 0))
    shape = tuple(y.shape[-2:])
    x = torch.fft.irfft2(torch.fft.rfft2(y) * torch.fft.rfft2(kernel, s=shape).conj(), s=shape)
    for axis, n, size in ((-2, hw[0], h), (-1, hw[1], w)):
        folded = x.new_zeros([n if i == x.ndim + axis else m for i, m in enumerate(x.shape)])
        x = folded.index_add(axis, mirror_indices(n, *_borders(size), x.device), x)
    return x


class Convolution(Degradation):
    """y = x convolved with ``kernel``, each channel alike, (N, C, H, W) -> (N, C, H, W); the picture is mirrored at
    its border. Subclasses say which kernel."""

    linear = True
    well_posed = False
    keeps_size = True
    keeps_channels = True

    def kernel(self, like: Tensor) -> Tensor:
        """(1 or N, 1, h, w), whose sum is 1, of the type and on the device of ``like``."""
        raise NotImplementedError

    def forward(self, x):
        return convolve(expect_pictures(x), self.kernel(x))

    def adjoint(self, y, size):
        return correlate(y, self.kernel(y))

    def propagate_unobserved(self, size, uninformative, channels=3):
        if uninformative is None:
            return None
        reach = (self.kernel(torch.zeros((), dtype=torch.float64, device=uninformative.device)).abs() > 1e-9).double()
        return (correlate((~uninformative[:, None]).double(), reach) < 0.5)[:, 0]
