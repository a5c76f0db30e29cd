"""Conversion of numpy arrays to pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dgp.errors import InputError


def image_from_array(array: np.ndarray) -> Image.Image:
    """Return an array as an 8-bit PIL image.

    Args:
        array: (H, W) or (H, W, 1|3|4); uint8, uint16, bool, or float in [0, 1].

    Raises:
        InputError: another shape, dtype or range.
    """
    shape = array.shape
    a = array[..., 0] if array.ndim == 3 and shape[-1] == 1 else array
    if not (a.ndim == 2 or (a.ndim == 3 and a.shape[-1] in (3, 4))) or not a.size:
        hint = "; pass several pictures as a list" if a.ndim == 4 else ""
        hint = "; pass x.transpose(1, 2, 0)" if a.ndim == 3 and shape[0] in (1, 3) else hint
        raise InputError(f"got an array of shape {shape}, expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}")
    if a.dtype == np.uint16:
        a = np.rint(a / 257)
    elif a.dtype == bool:
        a = a * 255.0
    elif np.issubdtype(a.dtype, np.floating):
        if not np.isfinite(a).all():
            raise InputError("got an array with NaN or Infinity in it, expected values in [0, 1]; repair it first")
        if a.min() < -0.001 or a.max() > 1.001:
            signed = "pass (x + 1) / 2" if a.min() >= -1.001 and a.max() <= 1.001 else "divide by 255 or pass uint8"
            raise InputError(
                f"got an array of {a.dtype} with values in [{a.min():.3g}, {a.max():.3g}], expected [0, 1]; {signed}"
            )
        a = np.rint(np.clip(a, 0, 1) * 255)
    elif a.dtype != np.uint8:
        raise InputError(
            f"got an array of {a.dtype}, expected uint8, uint16, bool or floats in [0, 1]; of levels 0 to 255 "
            "pass x.astype(np.uint8)"
        )
    return Image.fromarray(np.ascontiguousarray(a.astype(np.uint8)))
