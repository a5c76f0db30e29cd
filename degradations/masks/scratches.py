"""Detection of damage in scanned photographs: thin lines, creases, uniform holes, and spots (``spots``).

Lines are ridges, lighter (or darker) than the pixels a little to both sides, which extend far in one direction, keep
their tone while the background changes, and are lighter (or darker) than nearly everything around. Holes are even, very
light or very dark, and end in a step; lamps and windows, which are nearly all white, are excluded. Natural lines that
look like this (wires, glints, lettering) are found as well, so a mask is a proposal to be corrected.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degradations.errors import MaskError
from degradations.files.pictures import from_picture, has_alpha, luma
from degradations.masks.spots import find_spots

LARGE = 640_000  # pixels of the largest picture that is searched at its own size
WORKING = 320_000  # pixels of the copy in which larger ones are searched; the detector was fitted on about so many
DIRECTIONS = 24
RIDGE = 0.045  # height of a ridge above both sides, in brightness from 0 to 1
# Logistic regression of damage on the features of ``_compute_evidence``, fitted on every third picture of
# benchmarks/scratches.py
WEIGHTS, BIAS = (-0.35, -5.7, 7.0, 0.7, -2.8, 3.3, 3.1), 8.8
LIKELY, SURE = -1.5, 0.5
EVEN = 0.018  # largest standard deviation of the levels inside a hole
STEP = 0.08  # least difference between a hole and its surroundings
# Bare paper is lighter than the picture but has grain. A lamp, a window or a reflection is as white as a file can hold
# in a share of its pixels between LIT[0] and LIT[1].
WHITE, LIT = 0.985, (0.65, 0.995)


def find_damage(picture: Image.Image | Tensor) -> Tensor:
    """Find where a picture is scratched, creased, dusty or torn.

    Large pictures are searched in a copy of about `WORKING` pixels, in which the damage of a scan has the widths that
    the detector is made for, and every pixel that contributes to a found one is marked.

    Args:
        picture: opened, or (1, 1 or 3, H, W) float in [-1, 1].

    Returns:
        (1, 1, H, W) bool; may be false everywhere.

    Raises:
        MaskError: a side of less than 16 pixels.
    """
    size = tuple(picture.shape[-2:]) if isinstance(picture, Tensor) else picture.size[::-1]
    if min(size) < 16:
        raise MaskError(f"got {size[1]}x{size[0]}, which is too small to find damage in; give mask=FILE")
    levels = _read_levels(picture, _working_size(size))
    holes, lights = _find_holes(levels)
    rest = _fill_holes(levels, holes | lights)
    found = torch.from_numpy(holes | _find_lines(rest) | find_spots(rest))[None, None]
    if found.shape[-2:] == size:
        return found
    return F.interpolate(found.to(torch.uint8), size, mode="nearest").bool()


def _working_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the (H, W) at which a picture of (H, W) is searched: its own, unless it has more than `LARGE` pixels."""
    pixels = size[0] * size[1]
    if pixels <= LARGE:
        return size
    return tuple(max(16, round(n * (WORKING / pixels) ** 0.5)) for n in size)


def _read_levels(picture: Image.Image | Tensor, size: tuple[int, int]) -> np.ndarray:
    """Return brightness from 0 to 1 at a size (H, W), averaged if the picture is larger; float64."""
    if not isinstance(picture, Tensor) and picture.size != size[::-1] and not picture.mode.startswith(("I", "F")):
        grey = picture.convert("RGB") if has_alpha(picture) or picture.mode == "P" else picture
        picture = grey.resize(size[::-1], Image.Resampling.BOX, reducing_gap=2.0)
    tensor = picture if isinstance(picture, Tensor) else from_picture(picture)
    brightness = luma(tensor)
    if tuple(brightness.shape[-2:]) != size:
        brightness = F.interpolate(brightness, size, mode="area")
    return ((brightness[0, 0] + 1) / 2).double().cpu().numpy()


def _fill_holes(levels: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Replace holes and lights by the nearest other pixel, so that their borders are not taken for lines."""
    from scipy import ndimage

    if not holes.any():
        return levels
    nearest = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return levels[tuple(nearest)]


# ---- lines


def _find_lines(levels: np.ndarray) -> np.ndarray:
    """Find lines that are probable everywhere, certain somewhere and long enough, in their full width."""
    from scipy import ndimage
    from skimage import measure, morphology

    found = np.zeros(levels.shape, bool)
    for sign in (1, -1):
        evidence, top = _compute_evidence(sign * levels)
        core = morphology.closing((evidence > LIKELY) & (top > 0.03), morphology.disk(1))
        labels = measure.label(core, connectivity=2)
        kept = np.zeros(labels.max() + 1, bool)
        for region in measure.regionprops(labels, intensity_image=evidence):
            long = max(region.bbox[2] - region.bbox[0], region.bbox[3] - region.bbox[1])
            kept[region.label] = region.intensity_max > SURE and long >= max(13, min(levels.shape) / 13)
        lines = kept[labels] & core
        # extend the line to its foot: neighbours that stand out by a fifth of the crest
        crest = ndimage.maximum_filter(np.where(lines, top, 0), 3)
        found |= lines | ((crest > 0) & (top > 0.2 * crest))
    return found


def _compute_evidence(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each pixel, the log-odds that it lies on a light line, and how much it stands out."""
    from scipy import ndimage

    side, radius = min(levels.shape), _radius(levels)
    short, long = max(9, round(side / 24)) | 1, max(17, round(side / 8)) | 1
    top, usual = _measure_prominence(levels, radius, short)
    uneven, reach, height, tone = _measure_lines(levels, sorted({2, 3, radius}), (short, long))
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


def _measure_lines(levels: np.ndarray, widths: list[int], stretches: tuple[int, int]) -> list[np.ndarray]:
    """Measure the best stretch of line through each pixel, over all directions.

    Args:
        levels: (H, W).
        widths: of ridges, in pixels.
        stretches: lengths of the short and the long stretch, in pixels.

    Returns:
        Four (H, W): unevenness of tone (short stretch), share of ridge pixels and mean height of the ridge (long
        stretch), and tone (short stretch).
    """
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
        score, *stretch = _measure_rows(turned, widths, *stretches)
        score, *stretch = (
            ndimage.affine_transform(image, turn.T, middle - turn.T @ centre, (h, w), order=1)
            for image in (score, *stretch)
        )
        better = score > best
        best = np.where(better, score, best)
        found = [np.where(better, now, before) for now, before in zip(stretch, found, strict=True)]
    return found


def _measure_rows(turned: np.ndarray, widths: list[int], short: int, long: int) -> list[np.ndarray]:
    """Return the score by which directions are compared, and the measures of ``_measure_lines``, along rows."""
    from scipy import ndimage

    def mean(image: np.ndarray, length: int) -> np.ndarray:
        return ndimage.uniform_filter1d(image, length, axis=1)

    ridge = np.max([_ridge(turned, width) for width in widths], 0)
    # a line that is not quite parallel to the rows leaves its row
    ridge, crest = (ndimage.maximum_filter1d(image, 3, axis=0) for image in (ridge, turned))
    on, height = (ridge > RIDGE).astype(float), ridge.clip(0, 0.15)
    near, far = mean(on, short), mean(on, long)
    tone = mean(crest * on, short) / (near + 1e-6)
    uneven = np.sqrt(np.maximum(mean(crest**2 * on, short) / (near + 1e-6) - tone**2, 0))
    score = near * mean(height, short) + far * mean(height, long)
    return [score, uneven, far, mean(height, long), tone]


def _ridge(levels: np.ndarray, width: int) -> np.ndarray:
    """Return by how much each pixel exceeds both pixels ``width`` rows above and below it; negative: no ridge."""
    padded = np.pad(levels, ((width, width), (0, 0)), mode="edge")
    return levels - np.maximum(padded[: -2 * width], padded[2 * width :])


def _radius(levels: np.ndarray) -> int:
    """Return half the width of the widest line, in pixels."""
    return max(2, round(min(levels.shape) / 110))


def _measure_prominence(levels: np.ndarray, radius: int, around: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how much thin and small light structures stand out, and the usual value of this around a pixel."""
    from scipy import ndimage
    from skimage import morphology

    top = levels - ndimage.grey_opening(levels, footprint=morphology.disk(radius))
    # capped, so that single outliers hardly count
    return top, ndimage.uniform_filter(np.minimum(top, 0.1), 2 * around + 1)


# ---- holes


def _find_holes(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the holes, and the lights that look like holes."""
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
            body = ndimage.binary_fill_holes(_grow_to_edge(levels, inside, tone))
            if LIT[0] < np.mean(levels[inside] > WHITE) < LIT[1]:
                lights |= _grow_light(levels, body, tone)
                continue
            close, far = (np.abs(levels[_make_ring(body, at)] - tone) for at in (2, 6))
            if not close.size or not far.size or levels[inside].std() > EVEN:
                continue
            if np.mean(close > STEP) > 0.9 and np.median(close) > max(
                0.15, 0.85 * np.median(far)
            ):  # a step rather than a slope
                found |= ndimage.binary_dilation(body)
    return found, lights


def _grow_light(levels: np.ndarray, body: np.ndarray, tone: float) -> np.ndarray:
    """Extend a light over its corners and its rim, to where it fades to less than half."""
    from scipy import ndimage

    around = np.median(levels[_make_ring(body, 6)])
    lit = ndimage.binary_dilation(body, np.ones((3, 3)), iterations=8, mask=levels > (tone + around) / 2)
    return ndimage.binary_dilation(lit, np.ones((3, 3)), iterations=2)


def _make_ring(body: np.ndarray, away: int) -> np.ndarray:
    """Return a ring of two pixels' width at a distance of ``away`` pixels around a region."""
    from scipy import ndimage

    return ndimage.binary_dilation(body, iterations=away + 1) & ~ndimage.binary_dilation(body, iterations=away - 1)


def _grow_to_edge(levels: np.ndarray, inside: np.ndarray, tone: float) -> np.ndarray:
    """Extend a region to where its tone ends, which the opening and the window of the spread cut short."""
    from scipy import ndimage

    return ndimage.binary_dilation(inside, iterations=5, mask=np.abs(levels - tone) < 3 * EVEN)
