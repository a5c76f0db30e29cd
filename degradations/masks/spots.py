"""Finds dust and blobs in a scanned photograph: small compact spots, lighter or darker than what is around them.

A spot is even, of a tone that little around it reaches, and ends within a pixel or two. Lamps, highlights and
reflections are larger or fade out; in fur, grass and print there are many spots alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Log-odds that a spot is damage, of the features of ``_spot``: a logistic regression on every third picture of
# benchmarks/quality/scratches.py.
WEIGHTS, BIAS = np.array([1.13, -0.43, -1.71, 4.13, 2.51, -5.65, 4.20, 0.52, 4.53]), -16.68
LIKELY = -1.25
LEAST = 0.08  # how much a spot stands out, of the range from black to white
SIDE = 384  # the shorter side of a picture in whose pixels the next three are
RADII = (2, 4, 7)  # half the width of the widest spots that are looked for
NEIGHBOURHOOD = 12  # how far around a spot it is looked for others like it
SURROUNDINGS = 21  # and for its tone
MARGIN = 5  # pixels around a spot that are looked at


@dataclass(frozen=True)
class Spot:
    """pixels: (rows, columns).  features: (9,), see ``_spot``."""

    pixels: tuple[np.ndarray, np.ndarray]
    features: np.ndarray

    @property
    def likely(self) -> bool:
        return float(self.features @ WEIGHTS) + BIAS > LIKELY


@dataclass(frozen=True)
class _Scale:
    """A picture as spots of up to ``radius`` pixels are looked for in it, (H, W) each.

    levels: from 0 to 1.  top: how much small light things stand out.  usual: what is usual of that around each pixel.
    high: the lightest tone around, outliers apart.  unit: pixels of the picture for one of a picture of ``SIDE``.
    """

    levels: np.ndarray
    top: np.ndarray
    usual: np.ndarray
    high: np.ndarray
    radius: int
    unit: float


def find_spots(levels: np.ndarray) -> np.ndarray:
    """(H, W) levels of 0 to 1 -> (H, W) bool, where dust and blobs are likely, light or dark ones."""
    found = np.zeros(levels.shape, bool)
    for tones in (levels, 1 - levels):
        for spot in candidates(tones):
            if spot.likely:
                found[spot.pixels] = True
    return found


def candidates(levels: np.ndarray) -> list[Spot]:
    """Every compact spot of (H, W) levels that is lighter than what is around it. Some are found at several scales."""
    from scipy import ndimage

    found = []
    for scale in _scales(levels):
        highest = scale.top == ndimage.maximum_filter(scale.top, 2 * scale.radius + 1)
        peaks = highest & (scale.top > np.maximum(LEAST, 2 * scale.usual))
        taken = np.zeros(levels.shape, bool)  # an even spot has many peaks
        for peak in zip(*np.nonzero(peaks), strict=True):
            spot = None if taken[peak] else _spot(scale, peak)
            if spot is not None:
                found.append(spot)
                taken[spot.pixels] = True
    return found


def _scales(levels: np.ndarray) -> list[_Scale]:
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
        scales.append(_Scale(levels, top, usual, high, radius, unit))
    return scales


def _spot(scale: _Scale, peak: tuple[int, int]) -> Spot | None:
    """The spot around a peak, or None where what is there is too large, too long, or hardly stands out."""
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
        np.log(np.subtract(*np.quantile(here[far], (0.9, 0.1))) + 0.02),  # unrest of the ground
        np.log(scale.usual[centre] + 0.005),
        area / (np.pi / 4 * long**2),  # how compact it is
        np.clip((np.median(here[edge]) - np.median(here[near])) / contrast, 0, 1.5),  # how steeply it ends
        min(here[core].std() / contrast, 1),  # how uneven it is
        np.clip(tone - scale.high[centre], -0.3, 0.3),  # how far it is beyond the tones around
        np.log(area / scale.unit**2),
        tone,
    )
    foot = np.nonzero(rim & (here > ground + 0.25 * contrast))
    return Spot(tuple(foot[axis] + corner[axis] for axis in (0, 1)), np.array(features))
