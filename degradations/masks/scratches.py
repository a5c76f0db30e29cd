"""Finds structured damage in a scanned photograph: thin lines, creases, uniform holes, and spots (`spots`).

Lines are ridges, lighter (or darker) than what lies a few pixels to both sides, that reach far along one direction,
keep their tone there while what is behind them changes, and are paler (or deeper) than nearly all around. Holes are
even, very light or very dark, and end in a step; lights, which are white nearly all over, are none. Natural lines that
look like that (wires, glints, lettering) are found as well, so that a mask is a proposal to correct.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.errors import MaskError
from degradations.files.pictures import from_picture, luma
from degradations.masks.spots import find_spots

DIRECTIONS = 24
RIDGE = 0.045  # how much a line stands out from both sides, of the range from black to white
# Log-odds that a pixel is damage, of the features of ``_evidence``: a logistic regression on every third picture of
# benchmarks/quality/scratches.py
WEIGHTS, BIAS = (-0.35, -5.7, 7.0, 0.7, -2.8, 3.3, 3.1), 8.8
LIKELY, SURE = -1.5, 0.5
EVEN = 0.018  # how much the levels of a hole may differ
STEP = 0.08  # between a hole and what is around it
# Paper that shines through is lighter than the picture, and yet has its grain; a lamp, a window or a reflection is as
# white as a file can be, over so much of it.
WHITE, LIT = 0.985, (0.65, 0.995)


def find_damage(picture: Image.Image | Tensor) -> Tensor:
    """Where a picture is scratched, creased, dusty or torn.

    Args:
        picture: opened, or (1, 1 or 3, H, W) float in [-1, 1].

    Returns:
        (1, 1, H, W) bool; may be false everywhere.

    Raises:
        MaskError: the picture has less than 16 pixels along a side.
    """
    tensor = picture if isinstance(picture, Tensor) else from_picture(picture)
    if min(tensor.shape[-2:]) < 16:
        raise MaskError(
            f"got {tensor.shape[-1]}x{tensor.shape[-2]}, which is too small to find damage in; give mask=FILE"
        )
    levels = ((luma(tensor)[0, 0] + 1) / 2).double().cpu().numpy()
    holes, lights = _holes(levels)
    rest = _filled(levels, holes | lights)
    found = holes | _lines(rest) | find_spots(rest)
    return torch.from_numpy(found)[None, None]


def _filled(levels: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Holes and lights replaced by what is nearest to them, so that their rims are no lines."""
    from scipy import ndimage

    if not holes.any():
        return levels
    nearest = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return levels[tuple(nearest)]


# ---- lines


def _lines(levels: np.ndarray) -> np.ndarray:
    """Where lines are likely, long enough, and sure somewhere; in their own width."""
    from scipy import ndimage
    from skimage import measure, morphology

    found = np.zeros(levels.shape, bool)
    for sign in (1, -1):
        evidence, top = _evidence(sign * levels)
        core = morphology.closing((evidence > LIKELY) & (top > 0.03), morphology.disk(1))
        labels = measure.label(core, connectivity=2)
        kept = np.zeros(labels.max() + 1, bool)
        for region in measure.regionprops(labels, intensity_image=evidence):
            long = max(region.bbox[2] - region.bbox[0], region.bbox[3] - region.bbox[1])
            kept[region.label] = region.intensity_max > SURE and long >= max(13, min(levels.shape) / 13)
        lines = kept[labels] & core
        # to the foot of the line: a neighbour that still stands out by a fifth of its crest
        crest = ndimage.maximum_filter(np.where(lines, top, 0), 3)
        found |= lines | ((crest > 0) & (top > 0.2 * crest))
    return found


def _evidence(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(log-odds that a pixel is of a light line, how much it stands out)."""
    from scipy import ndimage

    side, radius = min(levels.shape), _radius(levels)
    short, long = max(9, round(side / 24)) | 1, max(17, round(side / 8)) | 1
    top, usual = _standing_out(levels, radius, short)
    uneven, reach, height, tone = _along(levels, sorted({2, 3, radius}), (short, long))
    behind = ndimage.percentile_filter((levels - top)[::2, ::2], 95, long // 2)
    behind = behind.repeat(2, 0).repeat(2, 1)[: levels.shape[0], : levels.shape[1]]
    features = (
        np.log(uneven + 0.02),
        reach,
        np.log(height + 0.005),
        np.log(top + 0.01),
        np.log(usual + 0.005),
        (levels - behind).clip(-0.3, 0.3),
        (levels - tone).clip(-0.3, 0.3),
    )
    return sum(weight * feature for weight, feature in zip(WEIGHTS, features, strict=True)) + BIAS, top


def _along(levels: np.ndarray, widths: list[int], stretches: tuple[int, int]) -> list[np.ndarray]:
    """Of the best stretch of line through each pixel, over directions: how uneven its tone is (short stretch), what
    share of it is a ridge and how high (long stretch), and its tone (short). (H, W) each."""
    from scipy import ndimage

    h, w = levels.shape
    centre = np.array([h - 1, w - 1]) / 2
    best, found = np.full((h, w), -1.0), [np.zeros((h, w)) for _ in range(4)]
    for angle in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, s], [-s, c]])
        middle = np.ceil([(abs(c) * h + abs(s) * w) / 2 + 2, (abs(s) * h + abs(c) * w) / 2 + 2])
        shape = tuple((2 * middle + 1).astype(int))
        turned = ndimage.affine_transform(levels, turn, centre - turn @ middle, shape, order=1, mode="nearest")
        score, *stretch = _stretches(turned, widths, *stretches)
        score, *stretch = (
            ndimage.affine_transform(image, turn.T, middle - turn.T @ centre, (h, w), order=1)
            for image in (score, *stretch)
        )
        better = score > best
        best = np.where(better, score, best)
        found = [np.where(better, now, before) for now, before in zip(stretch, found, strict=True)]
    return found


def _stretches(turned: np.ndarray, widths: list[int], short: int, long: int) -> list[np.ndarray]:
    """The score by which directions are compared, and what ``_along`` tells, of lines that run along rows."""
    from scipy import ndimage

    def mean(image: np.ndarray, length: int) -> np.ndarray:
        return ndimage.uniform_filter1d(image, length, axis=1)

    ridge = np.max([_ridge(turned, width) for width in widths], 0)
    # a line that is a little askew leaves its row
    ridge, crest = (ndimage.maximum_filter1d(image, 3, axis=0) for image in (ridge, turned))
    on, height = (ridge > RIDGE).astype(float), ridge.clip(0, 0.15)
    near, far = mean(on, short), mean(on, long)
    tone = mean(crest * on, short) / (near + 1e-6)
    uneven = np.sqrt(np.maximum(mean(crest**2 * on, short) / (near + 1e-6) - tone**2, 0))
    score = near * mean(height, short) + far * mean(height, long)
    return [score, uneven, far, mean(height, long), tone]


def _ridge(levels: np.ndarray, width: int) -> np.ndarray:
    """By how much each pixel is above both of those ``width`` rows above and below it; below zero: it is not."""
    padded = np.pad(levels, ((width, width), (0, 0)), mode="edge")
    return levels - np.maximum(padded[: -2 * width], padded[2 * width :])


def _radius(levels: np.ndarray) -> int:
    """Half the width of the widest line, in pixels."""
    return max(2, round(min(levels.shape) / 110))


def _standing_out(levels: np.ndarray, radius: int, around: int) -> tuple[np.ndarray, np.ndarray]:
    """(how much thin and small light things stand out, what is usual of that around each pixel)."""
    from scipy import ndimage
    from skimage import morphology

    top = levels - ndimage.grey_opening(levels, footprint=morphology.disk(radius))
    # capped, so that single outliers hardly count
    return top, ndimage.uniform_filter(np.minimum(top, 0.1), 2 * around + 1)


# ---- holes


def _holes(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(holes, and lights that look like them)."""
    from scipy import ndimage
    from skimage import measure, morphology

    smooth = ndimage.uniform_filter(levels, 3)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(levels**2, 5) - ndimage.uniform_filter(levels, 5) ** 2, 0))
    found, lights = np.zeros(levels.shape, bool), np.zeros(levels.shape, bool)
    for extreme in (smooth > 0.85, smooth < 0.09):
        even = morphology.opening(extreme & (spread < EVEN), morphology.disk(2))
        labels = measure.label(even)
        for region in measure.regionprops(labels):
            if not 0.0004 * levels.size <= region.area <= 0.06 * levels.size or region.solidity < 0.8:
                continue
            inside = labels == region.label
            tone = float(np.median(levels[inside]))
            body = ndimage.binary_fill_holes(_grown(levels, inside, tone))
            if LIT[0] < np.mean(levels[inside] > WHITE) < LIT[1]:
                lights |= _whole_light(levels, body, tone)
                continue
            close, far = (np.abs(levels[_ring(body, at)] - tone) for at in (2, 6))
            if not close.size or not far.size or levels[inside].std() > EVEN:
                continue
            if np.mean(close > STEP) > 0.9 and np.median(close) > max(0.15, 0.85 * np.median(far)):  # a step, no slope
                found |= ndimage.binary_dilation(body)
    return found, lights


def _whole_light(levels: np.ndarray, body: np.ndarray, tone: float) -> np.ndarray:
    """With its corners and its rim, up to where it fades to less than half."""
    from scipy import ndimage

    around = np.median(levels[_ring(body, 6)])
    lit = ndimage.binary_dilation(body, np.ones((3, 3)), iterations=8, mask=levels > (tone + around) / 2)
    return ndimage.binary_dilation(lit, np.ones((3, 3)), iterations=2)


def _ring(body: np.ndarray, away: int) -> np.ndarray:
    """Two pixels wide, so many pixels outside."""
    from scipy import ndimage

    return ndimage.binary_dilation(body, iterations=away + 1) & ~ndimage.binary_dilation(body, iterations=away - 1)


def _grown(levels: np.ndarray, inside: np.ndarray, tone: float) -> np.ndarray:
    """Up to where the tone ends: the opening and the window of the spread stop short of it."""
    from scipy import ndimage

    return ndimage.binary_dilation(inside, iterations=5, mask=np.abs(levels - tone) < 3 * EVEN)
