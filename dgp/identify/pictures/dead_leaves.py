"""Dead leaves: random pictures with the statistics of natural ones (Ruderman 1997; Lee, Mumford & Huang 2001).

Opaque shapes cover one another. The density of their radii falls as r^-3, which makes the statistics the same at all
scales, as those of photographs are.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

SMALLEST, LARGEST = 1.5, 0.35  # radius: pixels, and share of the picture's side
COVERED = 0.995  # share of the picture that leaves cover; the rest shows the first colour
MOST = 6000  # leaves
SHADING = 0.35  # largest change of brightness across a leaf
TEXTURE = 0.12  # largest standard deviation of the texture of a leaf, in brightness from 0 to 1


def draw_canvas(side: int, palette: np.ndarray, random: np.random.Generator) -> Image.Image:
    """Draw a picture of textured and shaded ellipses and polygons.

    Args:
        side: of the picture, in pixels.
        palette: (n, 3) uint8, from which each leaf takes its colour.
        random: source of all random choices.

    Returns:
        RGB picture of (side, side).
    """
    canvas = np.empty((side, side, 3), np.float32)
    canvas[:] = palette[random.integers(len(palette))] / 255
    free = np.ones((side, side), bool)
    textures = [_draw_texture(side, slope, random) for slope in (0.6, 1.0, 1.4)]
    left = side * side
    for _ in range(MOST):
        # inverse of the distribution function of r^-3 between the two radii
        low, high = SMALLEST**-2, (LARGEST * side) ** -2
        radius = (low - random.random() * (low - high)) ** -0.5
        # leaves in front come first, so that the small ones are not all covered by large ones
        left -= _add_leaf(canvas, free, radius, palette[random.integers(len(palette))] / 255, textures, random)
        if left < (1 - COVERED) * side * side:
            break
    return Image.fromarray((canvas.clip(0, 1) * 255).round().astype(np.uint8))


def _draw_texture(side: int, slope: float, random: np.random.Generator) -> np.ndarray:
    """Return noise whose amplitude falls as 1 / frequency^slope, (side, side) float32 of unit deviation."""
    down, across = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    frequency = np.sqrt(down**2 + across**2)
    frequency[0, 0] = np.inf
    noise = np.fft.rfft2(random.standard_normal((side, side))) / frequency**slope
    field = np.fft.irfft2(noise, s=(side, side)).astype(np.float32)
    return field / field.std()


def _add_leaf(
    canvas: np.ndarray,
    free: np.ndarray,
    radius: float,
    colour: np.ndarray,
    textures: list[np.ndarray],
    random: np.random.Generator,
) -> int:
    """Draw one leaf behind those that were drawn before, and return the number of its visible pixels."""
    side = len(free)
    x, y = random.uniform(-radius, side + radius, 2)
    reach = radius * 1.5
    top, bottom = (int(np.clip(edge, 0, side)) for edge in (y - reach, y + reach + 1))
    left, right = (int(np.clip(edge, 0, side)) for edge in (x - reach, x + reach + 1))
    if top >= bottom or left >= right or not free[top:bottom, left:right].any():
        return 0
    down = (np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5 - y) / radius
    across = (np.arange(left, right, dtype=np.float32)[None] + 0.5 - x) / radius
    turn, stretch = random.uniform(0, np.pi), random.uniform(0.5, 1.4)
    along = across * np.cos(turn) + down * np.sin(turn)
    aside = (down * np.cos(turn) - across * np.sin(turn)) / stretch
    distance = np.hypot(along, aside) if random.random() < 0.5 else np.maximum(abs(along), abs(aside)) * 1.2
    inside = (distance < 1) & free[top:bottom, left:right]
    light = 1 + SHADING * random.uniform(-1, 1) * along[inside]
    texture = textures[random.integers(len(textures))][top:bottom, left:right][inside]
    tones = colour * light[:, None] + TEXTURE * random.random() ** 2 * texture[:, None]
    canvas[top:bottom, left:right][inside] = tones
    free[top:bottom, left:right] &= ~inside
    return int(inside.sum())
