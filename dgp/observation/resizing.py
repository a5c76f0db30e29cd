"""Pictures and masks cropped to a box, and resized."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dgp.observation.boxes import Box, crop_array
from dgp.observation.images import to_tensor

# Pillow's antialiased bilinear filter, by which the published code brings pictures to the network's resolution.
FILTER = Image.Resampling.BILINEAR


def fit_picture(image: Image.Image, box: Box, size: tuple[int, int], missing: np.ndarray | None = None) -> Image.Image:
    """Return the part of an 8-bit picture in a box, resized.

    Args:
        image: mode "L" or "RGB".
        box: the part to take.
        size: (width, height) of the result.
        missing: (H, W) bool, pixels whose stored colour has no meaning, so that it must not blend into the others.
    """
    pixels = crop_array(np.asarray(image), box)
    if pixels.shape[1::-1] == tuple(size):
        return Image.fromarray(np.ascontiguousarray(pixels))
    if missing is None:
        return Image.fromarray(np.ascontiguousarray(pixels)).resize(size, FILTER)
    seen = (~crop_array(missing, box)).astype(np.float32)
    weight = _resize_band(seen, size)
    bands = pixels[..., None] if pixels.ndim == 2 else pixels
    mixed = [
        np.where(weight > 1e-6, _resize_band(band * seen, size) / np.maximum(weight, 1e-6), 127.5)
        for band in np.moveaxis(bands, -1, 0).astype(np.float32)
    ]
    result = np.rint(np.clip(np.stack(mixed, -1), 0, 255)).astype(np.uint8)
    return Image.fromarray(result[..., 0] if pixels.ndim == 2 else result)


def fit_mask(missing: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """Return the part of a mask in a box, resized: a pixel is missing if any of its source pixels is.

    If that would hide more than three quarters (scattered pixels of a large photograph), a pixel is missing if less
    than half as many of its source pixels are seen as on average.

    Args:
        missing: (H, W) bool.
        box: the part to take.
        size: (width, height) of the result.

    Returns:
        (height, width) bool.
    """
    inside = crop_array(missing, box)
    if inside.shape[::-1] == tuple(size):
        return np.ascontiguousarray(inside)
    mask = inside
    for axis, n in enumerate(size[::-1]):
        edges = np.arange(n + 1) * mask.shape[axis] / n
        first, last = np.floor(edges[:-1] + 1e-9).astype(int), np.ceil(edges[1:] - 1e-9).astype(int)
        counts = np.insert(np.cumsum(mask, axis=axis), 0, 0, axis=axis)
        mask = counts.take(last, axis=axis) > counts.take(first, axis=axis)
    if mask.mean() > 0.75 >= inside.mean():
        share = Image.fromarray(inside.astype(np.float32)).resize(size, Image.Resampling.BOX)
        mask = np.asarray(share) > (1 + inside.mean()) / 2
    return mask


def fit_tensor(image: Image.Image, box: Box, resolution: int) -> Tensor:
    """Return the part of an 8-bit picture in a box, resized to a square, (1, 3, R, R) in [-1, 1]."""
    return to_tensor(fit_picture(image, box, (resolution, resolution)).convert("RGB"))


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pictures (N, 3, h, w) at ``size`` (H, W), bilinearly interpolated."""
    if tuple(pictures.shape[-2:]) == tuple(size):
        return pictures
    return F.interpolate(pictures, size=tuple(size), mode="bilinear", align_corners=False)


def _resize_band(band: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(band, np.float32)).resize(size, FILTER))
