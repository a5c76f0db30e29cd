"""Pictures and masks shrunk by Pillow's antialiased bilinear filter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.rows import expand_rows, mean_per_row

Size = tuple[int, int]

# The share of a filter's weight on seen pixels below which a pixel counts as missing. At the rim of a hole an average
# over few pixels is off by the contrast within a pixel: in all by 2.2 % of black to white at 0.2 in photographs shrunk
# from 240 to 32 px with a third of them hidden by strokes, by 3.9 % at 0.02.
SEEN_SHARE = 0.2


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
    """Shrink a mask: a pixel is missing where little of its filter's weight is on pixels that are seen.

    That is less than ``SEEN_SHARE``, and less than half the share in the whole picture, so that scattered pixels, which
    are few everywhere, are not lost with the rims of holes.

    Args:
        missing: (N, 1, H, W) bool.
        size: (h, w).
    """
    share = shrink_picture((~missing).float(), size)
    return share < expand_rows(mean_per_row(share) / 2).clamp_max(SEEN_SHARE)
