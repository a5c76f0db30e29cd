"""Photographs that come with scikit-image, and random crops of large pictures."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image


@functools.cache
def open_photograph(name: str) -> Image.Image:
    """Return a picture of ``skimage.data`` by name, as 8-bit RGB."""
    from skimage import data

    return Image.fromarray(getattr(data, name)()).convert("RGB")


def crop_at_random(
    picture: Image.Image, side: int, random: np.random.Generator, smallest: float, largest: float = np.inf
) -> np.ndarray:
    """Return a random square of a picture, scaled by a random factor.

    Args:
        picture: RGB.
        side: s, in pixels.
        random: source of the position, the scale and the filter (Lanczos or bicubic).
        smallest: least side of the square before scaling, in pixels; it is limited to what the picture has.
        largest: greatest side, likewise.

    Returns:
        (s, s, 3) uint8.
    """
    most = min(*picture.size, largest)
    cut = round(float(np.exp(random.uniform(np.log(min(most, smallest)), np.log(most)))))
    left, top = (int(random.integers(0, n - cut + 1)) for n in picture.size)
    filter_ = Image.Resampling.LANCZOS if random.random() < 0.5 else Image.Resampling.BICUBIC
    return np.asarray(picture.resize((side, side), filter_, (left, top, left + cut, top + cut)))
