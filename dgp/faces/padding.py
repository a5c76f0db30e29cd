"""The padding of a photograph at whose edge a face lies."""

from __future__ import annotations

import numpy as np

BLUR = 0.02  # standard deviation of the blur over the side of the square
STEEP = 3  # the blur begins in the photograph itself, at a third of the padding's width


def pad_by_reflection(values: np.ndarray, pads: np.ndarray, side: float | None) -> np.ndarray:
    """Return values continued by reflection, which fade to a blur and to the median, as published with FFHQ.

    With m, the distance from the photograph's edge outwards over the padding's width (0 at the edge, 1 at the end), the
    blur has the weight clip(3 m + 1, 0, 1), and then the median of all values has clip(m, 0, 1).

    Args:
        values: (H, W, C) float32.
        pads: (2, 2) int, pixels to add on the (left, top) and on the (right, bottom), each at least 1.
        side: of the face's square in pixels, to which the blur is relative; None: reflect only.
    """
    from scipy.ndimage import gaussian_filter

    (left, top), (right, bottom) = pads
    padded = np.pad(
        values, ((top, bottom), (left, right), (0, 0)), mode="reflect" if min(values.shape[:2]) > 1 else "edge"
    )
    if side is None:
        return padded
    height, width = padded.shape[:2]
    x, y = np.arange(width), np.arange(height)
    inwards = (np.minimum(x / left, x[::-1] / right)[None], np.minimum(y / top, y[::-1] / bottom)[:, None])
    outwards = (1 - np.minimum(*inwards))[..., None]
    soft = gaussian_filter(padded, (side * BLUR, side * BLUR, 0))
    padded = padded + (soft - padded) * np.clip(STEEP * outwards + 1, 0, 1)
    median = np.median(padded, axis=(0, 1))
    return (padded + (median - padded) * np.clip(outwards, 0, 1)).astype(np.float32)
