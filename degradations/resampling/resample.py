"""Resampling exactly as Pillow does it, as two small matrices: y = A x B^T.

The rule is Pillow's ``precompute_coeffs`` (Resample.c): output pixel i is centred at ``(i + 0.5) * in / out``; the
filter is stretched by ``in / out`` where that exceeds 1, cut at the border, and normalised there. Nearest takes the
pixel under the centre.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def _box(x):
    return ((x > -0.5) & (x <= 0.5)).astype(float)


def _bilinear(x):
    return np.clip(1 - np.abs(x), 0, None)


def _hamming(x):
    return np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)


def _bicubic(x, a=-0.5):
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x):
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)


FILTERS = {
    "box": (_box, 0.5),
    "bilinear": (_bilinear, 1.0),
    "hamming": (_hamming, 1.0),
    "bicubic": (_bicubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}
NAMES = ("nearest", *FILTERS)


def coefficients(n: int, m: int, filter: str) -> np.ndarray:
    """Return the matrix that resamples a line of n pixels to m.

    Args:
        n: pixels of the input.
        m: pixels of the output.
        filter: nearest, box, bilinear, hamming, bicubic or lanczos.

    Returns:
        (m, n) float64.
    """
    scale = n / m
    matrix = np.zeros((m, n))
    if filter == "nearest":
        # Pillow accumulates the step, so the same sum is formed here; otherwise ties would be rounded differently
        centres = np.add.accumulate(np.concatenate([[scale * 0.5], np.full(m - 1, scale)]))
        matrix[np.arange(m), np.clip(np.floor(centres).astype(int), 0, n - 1)] = 1
        return matrix
    shape, support = FILTERS[filter]
    stretch = max(scale, 1.0)
    for i in range(m):
        centre = (i + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), n)
        weights = shape((np.arange(first, last) - centre + 0.5) / stretch)
        matrix[i, first:last] = weights / weights.sum()
    return matrix


@lru_cache(maxsize=64)
def matrix(n: int, m: int, filter: str, *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return ``coefficients`` as a cached tensor, which must not be changed in place."""
    return torch.from_numpy(coefficients(n, m, filter)).to(device, dtype)


def resize(x: Tensor, size: tuple[int, int], filter: str = "bicubic") -> Tensor:
    """Resize pictures as ``PIL.Image.resize`` does.

    Args:
        x: (N, C, H, W) float.
        size: (h, w).
        filter: nearest, box, bilinear, hamming, bicubic or lanczos.

    Returns:
        (N, C, h, w), same dtype.
    """
    rows = matrix(x.shape[-2], size[0], filter, dtype=x.dtype, device=x.device)
    columns = matrix(x.shape[-1], size[1], filter, dtype=x.dtype, device=x.device)
    return rows @ x @ columns.mT
