"""Convolution with the picture mirrored at its border, and the base class of operators that convolve."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.core.base import Degradation
from degradations.files.pictures import expect_pictures

LARGE = 192  # pixels a side, from which the size of Fourier transforms matters
VISIBLE = 0.2  # pixels: standard deviation of a blur below which the pixels themselves hide it


@lru_cache(maxsize=128)
def mirror_indices(n: int, before: int, after: int, device: torch.device) -> Tensor:
    """Return the indices of the pixels in a line that is mirrored at its ends, as often as necessary.

    It is scipy's ``reflect``, which repeats the outermost pixel.

    Args:
        n: pixels of the line.
        before: pixels to add before it.
        after: pixels to add after it.
        device: of the result.

    Returns:
        (before + n + after,) int64.
    """
    place = torch.arange(-before, n + after, device=device) % (2 * n)
    return torch.minimum(place, 2 * n - 1 - place)


def is_visible(deviation: float | Tensor) -> bool:
    """Return whether a blur of this standard deviation in pixels can be seen; one that is bound to rows counts."""
    return isinstance(deviation, Tensor) or deviation >= VISIBLE


def _fast_size(h: int, w: int) -> tuple[int, int]:
    """Return a size of at least (h, w) at which Fourier transforms are fast; small ones stay."""
    from scipy.fft import next_fast_len

    return tuple(n if n < LARGE else next_fast_len(n, real=True) for n in (h, w))


def _borders(size: int) -> tuple[int, int]:
    """Return by how much a kernel of this size, centred at ``size // 2``, extends beyond both ends of a line."""
    return size - 1 - size // 2, size // 2


def convolve(x: Tensor, kernel: Tensor) -> Tensor:
    """Convolve as ``scipy.ndimage.convolve(..., mode="reflect")`` does, by Fourier transforms.

    Args:
        x: (N, C, H, W).
        kernel: (1 or N, 1, h, w) of any size, also larger than the picture.

    Returns:
        (N, C, H, W).
    """
    for axis, size in ((-2, kernel.shape[-2]), (-1, kernel.shape[-1])):
        x = x.index_select(axis, mirror_indices(x.shape[axis], *_borders(size), x.device))
    (h, w), shape = x.shape[-2:], _fast_size(*x.shape[-2:])
    y = torch.fft.irfft2(torch.fft.rfft2(x, s=shape) * torch.fft.rfft2(kernel, s=shape), s=shape)
    return y[..., kernel.shape[-2] - 1 : h, kernel.shape[-1] - 1 : w]


def correlate(y: Tensor, kernel: Tensor) -> Tensor:
    """Apply the adjoint of ``convolve``: A^T y, (N, C, H, W) -> (N, C, H, W)."""
    hw, (h, w) = tuple(y.shape[-2:]), kernel.shape[-2:]
    y = F.pad(y, (w - 1, 0, h - 1, 0))
    (high, wide), shape = y.shape[-2:], _fast_size(*y.shape[-2:])
    x = torch.fft.irfft2(torch.fft.rfft2(y, s=shape) * torch.fft.rfft2(kernel, s=shape).conj(), s=shape)[
        ..., :high, :wide
    ]
    for axis, n, size in ((-2, hw[0], h), (-1, hw[1], w)):
        folded = x.new_zeros([n if i == x.ndim + axis else m for i, m in enumerate(x.shape)])
        x = folded.index_add(axis, mirror_indices(n, *_borders(size), x.device), x)
    return x


class Convolution(Degradation):
    """Convolve each channel with a kernel: y = k * x, mirrored at the border. (N, C, H, W) -> (N, C, H, W).

    Subclasses define ``kernel``.
    """

    linear = True
    well_posed = False
    keeps_size = True
    multiscale = True
    keeps_channels = True

    def kernel(self, like: Tensor) -> Tensor:
        """Return the kernel k, (1 or N, 1, h, w) with sum 1, of the dtype and device of ``like``."""
        raise NotImplementedError

    def forward(self, x):
        return convolve(expect_pictures(x), self.kernel(x))

    def adjoint(self, y, size):
        return correlate(y, self.kernel(y))

    def propagate_unobserved(self, size, uninformative, channels=3):
        if uninformative is None:
            return None
        support = (self.kernel(torch.zeros((), dtype=torch.float64, device=uninformative.device)).abs() > 1e-9).double()
        return (correlate((~uninformative[:, None]).double(), support) < 0.5)[:, 0]

    alignment = 1

    def reach(self, size):
        return max(self.kernel(torch.zeros((), dtype=torch.float64)).shape[-2:]) // 2
