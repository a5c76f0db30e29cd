"""Grain: fillings of holes get the noise that the photograph has around them."""

from __future__ import annotations

import numpy as np

from dgp.observation.boxes import Box

RIM = 24  # pixels around a hole in which the grain is measured
BLOCK = 4  # wavelet details a side of the blocks that are compared
CALM = 0.25  # share of the blocks, those with the least detail, that show the grain rather than edges and texture
FEWEST = 8  # blocks
VISIBLE = 0.7  # levels: weaker grain is not added
MEDIAN = 0.6744898  # of |N(0, 1)|


def add_grain(pixels: np.ndarray, filled: np.ndarray, region: Box) -> None:
    """Add noise to filled pixels so that they have as much grain as the photograph around them, in place.

    The grain is white Gaussian noise, with the covariance of the colours that the calmest parts of the rim have, less
    that of the filling itself. Equal pictures get equal grain.

    Args:
        pixels: (H, W, 3) uint8.
        filled: (H, W) bool.
        region: a box that holds all filled pixels.
    """
    height, width = filled.shape
    left, top, right, bottom = region
    part = np.s_[max(0, top - RIM) : min(height, bottom + RIM), max(0, left - RIM) : min(width, right + RIM)]
    seen, hole = pixels[part].astype(np.float32), filled[part]
    around, inside = measure_grain(seen, ~hole), measure_grain(seen, hole)
    if around is None or inside is None:
        return
    lacking, directions = np.linalg.eigh(around - inside)
    lacking = np.sqrt(lacking.clip(0))
    if lacking.max() < VISIBLE:
        return
    random = np.random.default_rng(int(hole.sum()))
    noise = random.standard_normal((int(hole.sum()), 3)) * lacking @ directions.T
    seen[hole] += noise
    pixels[part] = np.rint(seen.clip(0, 255)).astype(np.uint8)


def measure_grain(levels: np.ndarray, where: np.ndarray) -> np.ndarray | None:
    """Return the covariance of the grain in the calmest parts of a picture.

    Args:
        levels: (H, W, 3) float32.
        where: (H, W) bool, the pixels to measure.

    Returns:
        (3, 3), in squared levels; None where too few pixels are measured.
    """
    h, w = (n // 2 * 2 for n in where.shape)
    corners = [np.s_[i:h:2, j:w:2] for i in (0, 1) for j in (0, 1)]
    a, b, c, d = (levels[corner] for corner in corners)
    known = np.logical_and.reduce([where[corner] for corner in corners])
    details, known = _blocks((a - b - c + d) / 2), _blocks(known[..., None].astype(np.float32))[..., 0].mean(1) == 1
    details = details[known]
    if len(details) < FEWEST:
        return None
    calm = np.argsort(np.median(np.abs(details).sum(2), 1))[: max(FEWEST, int(CALM * len(details)))]
    found = details[calm].reshape(-1, 3)
    deviation = np.median(np.abs(found), 0) / MEDIAN
    within = found[(np.abs(found) <= 3 * deviation).all(1)]
    spread = within.std(0)
    if not spread.all():
        return np.diag(np.square(deviation))
    return np.corrcoef(within.T) * np.outer(deviation, deviation)


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Return the square blocks of a plane (h, w, c), (blocks, BLOCK^2, c)."""
    h, w = (n // BLOCK * BLOCK for n in plane.shape[:2])
    blocks = plane[:h, :w].reshape(h // BLOCK, BLOCK, w // BLOCK, BLOCK, -1)
    return blocks.transpose(0, 2, 1, 3, 4).reshape(-1, BLOCK**2, plane.shape[2])
