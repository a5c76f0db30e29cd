"""Detection of dust and blobs in scanned photographs: small compact light or dark spots.

A spot is even, has a tone that little around it reaches, and ends within a pixel or two. Lamps, highlights and
reflections are larger or fade out; in fur, grass and print there are many similar spots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Logistic regression of damage on the features of ``_measure_spot``, fitted on every third picture of
# benchmarks/scratches.py.
WEIGHTS, BIAS = np.array([1.13, -0.43, -1.71, 4.13, 2.51, -5.65, 4.20, 0.52, 4.53]), -16.68
LIKELY = -1.25
LEAST = 0.08  # least contrast of a spot, in brightness from 0 to 1
SIDE = 384  # shorter side of the picture to which the next three lengths refer
RADII = (2, 4, 7)  # half the width of the widest spots, at three scales
NEIGHBOURHOOD = 12  # distance within which similar spots count against a spot
SURROUNDINGS = 21  # width of the window for the tones around a spot
MARGIN = 5  # pixels around a spot that are measured


@dataclass(frozen=True)
class Spot:
    """A compact spot.

    Attributes:
        pixels: (rows, columns).
        features: (9,), see ``_measure_spot``.
    """

    pixels: tuple[np.ndarray, np.ndarray]
    features: np.ndarray

    @property
    def likely(self) -> bool:
        return float(self.features @ WEIGHTS) + BIAS > LIKELY


@dataclass(frozen=True)
class _Scale:
    """A picture prepared for the search for spots of one size. Arrays are (H, W).

    Attributes:
        levels: brightness from 0 to 1.
        top: how much small light structures stand out.
        usual: the local mean of ``top``.
        high: the lightest tone around, without outliers.
        radius: of the largest spot, in pixels.
        unit: pixels of this picture for one pixel of a picture whose shorter side is ``SIDE``.
    """

    levels: np.ndarray
    top: np.ndarray
    usual: np.ndarray
    high: np.ndarray
    radius: int
    unit: float


def find_spots(levels: np.ndarray) -> np.ndarray:
    """Find dust and blobs, light and dark ones.

    Args:
        levels: (H, W) brightness from 0 to 1.

    Returns:
        (H, W) bool.
    """
    found = np.zeros(levels.shape, bool)
    for tones in (levels, 1 - levels):
        for spot in find_candidates(tones):
            if spot.likely:
                found[spot.pixels] = True
    return found


def find_candidates(levels: np.ndarray) -> list[Spot]:
    """Return every compact spot of (H, W) levels that is lighter than its surroundings; some at several scales."""
    from scipy import ndimage

    found = []
    for scale in _make_scales(levels):
        highest = scale.top == ndimage.maximum_filter(scale.top, 2 * scale.radius + 1)
        peaks = highest & (scale.top > np.maximum(LEAST, 2 * scale.usual))
        taken = np.zeros(levels.shape, bool)  # an even spot has many peaks, of which one is enough
        for peak in zip(*np.nonzero(peaks), strict=True):
            spot = None if taken[peak] else _measure_spot(scale, peak)
            if spot is not None:
                found.append(spot)
                taken[spot.pixels] = True
    return found


def _make_scales(levels: np.ndarray) -> list[_Scale]:
    from scipy import ndimage

    h, w = levels.shape
    unit = max(0.5, min(h, w) / SIDE)
    high = ndimage.percentile_filter(levels[::4, ::4], 95, round(SURROUNDINGS / 2 * unit) | 1)
    high = high.repeat(4, 0).repeat(4, 1)[:h, :w]
    scales = []
    for radius in sorted({max(2, round(radius * unit)) for radius in RADII}):
        top = levels - ndimage.grey_opening(levels, 2 * radius + 1)
        # capped, so that single outliers hardly count
        usual = ndimage.uniform_filter(np.minimum(top, 0.1), 2 * round(NEIGHBOURHOOD * unit) + 1)
        scales.append(_Scale(levels=levels, top=top, usual=usual, high=high, radius=radius, unit=unit))
    return scales


def _measure_spot(scale: _Scale, peak: tuple[int, int]) -> Spot | None:
    """Measure the spot around a peak; None if it is too large, too long, or hardly stands out."""
    from scipy import ndimage

    all_around = np.ones((3, 3))
    reach = 2 * scale.radius + MARGIN
    box = tuple(slice(max(0, at - reach), at + reach + 1) for at in peak)
    corner = np.array([side.start for side in box])
    here = scale.levels[box]
    labels, _ = ndimage.label(scale.top[box] > 0.5 * scale.top[peak], all_around)
    inside = labels == labels[tuple(np.subtract(peak, corner))]
    area, where = int(inside.sum()), np.argwhere(inside)
    long = float(np.ptp(where, axis=0).max() + 1)
    if not 2 <= area <= 4 * scale.radius**2 + 4 or area < 0.3 * long**2:
        return None
    rim = ndimage.binary_dilation(inside, all_around)
    near = ndimage.binary_dilation(rim, all_around)
    far = ndimage.binary_dilation(near, all_around, iterations=2) & ~near
    near &= ~rim
    core = ndimage.binary_erosion(inside) if area > 9 else inside
    core = core if core.any() else inside
    edge = inside & ~core if area > 9 and (inside & ~core).any() else inside
    if not far.any() or not near.any():
        return None
    tone, ground = np.median(here[core]), np.median(here[far])
    contrast = tone - ground
    if contrast < LEAST / 2:
        return None
    centre = tuple(where.mean(0).astype(int) + corner)
    features = (
        np.log(contrast),
        np.log(np.subtract(*np.quantile(here[far], (0.9, 0.1))) + 0.02),  # unevenness of the background
        np.log(scale.usual[centre] + 0.005),
        area / (np.pi / 4 * long**2),  # compactness
        np.clip((np.median(here[edge]) - np.median(here[near])) / contrast, 0, 1.5),  # steepness of its edge
        min(here[core].std() / contrast, 1),  # unevenness
        np.clip(tone - scale.high[centre], -0.3, 0.3),  # distance from the tones around
        np.log(area / scale.unit**2),
        tone,
    )
    foot = np.nonzero(rim & (here > ground + 0.25 * contrast))
    return Spot(tuple(foot[axis] + corner[axis] for axis in (0, 1)), np.array(features))
