"""Pictures and masks shrunk by Pillow's antialiased bilinear filter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]

# A pixel of a shrunk picture counts as seen if the filter gives at least this weight to pixels that were seen. An
# average over few of them is off by about the contrast within a pixel: see ``tests/degradations/test_scaled.py``.
SEEN_SHARE = 0.1


def scale_size(size: Size, factor: float) -> Size:
    """Return (H, W) multiplied by a factor, rounded, at least 1."""
    return tuple(max(1, round(n * factor)) for n in size)


def shrink_picture(x: Tensor, size: Size) -> Tensor:
    """Shrink pictures (N, C, H, W) to a size (h, w), without rounding."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)


def shrink_seen(x: Tensor, seen: Tensor, size: Size) -> Tensor:
    """Shrink pictures to averages of the pixels that are seen, and to mid-grey where none is.

    Args:
        x: (N, C, H, W).
        seen: (1 or N, 1 or C, H, W), 1 where pixels are seen, else 0.
        size: (h, w).
    """
    weight = shrink_picture(seen, size)
    return torch.where(weight > 1e-6, shrink_picture(x * seen, size) / weight.clamp_min(1e-6), 0)


def shrink_mask(missing: Tensor, size: Size) -> Tensor:
    """Shrink a mask: a pixel is missing where its filter gives seen ones less weight than ``SEEN_SHARE``.

    Args:
        missing: (N, 1, H, W) bool.
        size: (h, w).
    """
    return shrink_picture((~missing).float(), size) < SEEN_SHARE
