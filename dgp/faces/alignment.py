"""The square around a face in which FFHQ's pictures show it: upright, and of one size relative to eyes and mouth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from dgp.faces.landmarks import Face
from dgp.faces.padding import pad_by_reflection

# Karras et al. 2019 (arXiv 1812.04948), appendix A: half of the side over the distance between the eyes, and over that
# from eyes to mouth; and how far from the eyes, on the way to the mouth, the centre lies.
OF_EYES, OF_MOUTH, DOWN = 2.0, 1.8, 0.1
SEAM = 0.1  # width of the soft seam, as a fraction of the side
SUPERSAMPLED = 4  # samples in each direction for a pixel of the square
LEAST_BORDER = 3  # pixels around the square that are kept
NEAR_EDGE = 4  # pixels of that border that may lie beyond the edges before the picture is padded
BORDER, PADDING = 0.1, 0.3  # of the side: the border, and the least padding

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Alignment:
    """A rotated square in a photograph, which is shown upright.

    Attributes:
        corners: (4, 2) float64, x and y of the corners that are shown at the top left, bottom left, bottom right and
            top right; in pixels, whose edges are whole numbers.
    """

    corners: np.ndarray

    @classmethod
    def from_face(cls, face: Face) -> Alignment:
        """Return the square of a face, as FFHQ and CelebA-HQ place it (Karras et al. 2019, appendix A).

        With the eyes' mean e, the vector a between the eyes, and b from e to the mouth's mean, the axis across is
        a - (rotation by 90 degrees of b), which is a mean of the two directions; its half length is the larger of 2 |a|
        and 1.8 |b|; the centre is e + 0.1 b.
        """
        left, right, _, *mouth = face.points
        eyes, across = (left + right) / 2, right - left
        down = np.mean(mouth, 0) - eyes
        axis = across + np.array([down[1], -down[0]])
        half = max(OF_EYES * np.hypot(*across), OF_MOUTH * np.hypot(*down))
        x = axis / max(np.hypot(*axis), 1e-9) * half
        y = np.array([-x[1], x[0]])
        centre = eyes + DOWN * down + 0.5  # from centres of pixels to edges
        return cls(np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y]))

    @property
    def side(self) -> float:
        """Length of the side in pixels of the photograph."""
        return float(np.hypot(*(self.corners[3] - self.corners[0])))

    @property
    def box(self) -> Box:
        """The smallest box of whole pixels around the square; it may reach beyond the photograph."""
        return (*np.floor(self.corners.min(0)).astype(int).tolist(), *np.ceil(self.corners.max(0)).astype(int).tolist())

    def scaled(self, factor: float) -> Alignment:
        """Return the same square in a photograph whose sides are `factor` times as long."""
        return replace(self, corners=self.corners * factor)

    def coordinates(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Return where the pixels of a box lie in the square: across and down, each (h, w) float32, from 0 to 1."""
        left, top, right, bottom = box
        x, y = np.arange(left, right) + 0.5, (np.arange(top, bottom) + 0.5)[:, None]
        origin, down, _, across = self.corners
        axes = ((corner - origin) / self.side**2 for corner in (across, down))
        return tuple(((x - origin[0]) * e[0] + (y - origin[1]) * e[1]).astype(np.float32) for e in axes)

    def share(self, box: Box) -> np.ndarray:
        """Return how much of each pixel of a box the square replaces.

        1 inside, 0 from the square's edge outwards, and a smooth step between them over a seam of `SEAM` of the side.

        Returns:
            (h, w) float32 in [0, 1].
        """
        across, down = self.coordinates(box)
        inwards = np.minimum(np.minimum(across, 1 - across), np.minimum(down, 1 - down))
        t = np.clip(inwards / SEAM, 0, 1)
        return t * t * (3 - 2 * t)

    def cut(self, values: np.ndarray, size: int, *, blur: bool = True) -> np.ndarray:
        """Return the square of a photograph, upright.

        As published with FFHQ: the photograph is first shrunk by a whole factor where it is much larger, then cut,
        padded by reflection where the square reaches beyond it, sampled bilinearly four times as densely as wanted, and
        reduced.

        Args:
            values: (H, W, C), any real values.
            size: side of the result in pixels.
            blur: let the padding fade to a blur and to the mean, as published; without it, only reflect.

        Returns:
            (size, size, C) float32.
        """
        values, corners = np.asarray(values, np.float32), self.corners
        shrink = int(self.side / size / 2)
        if shrink > 1:
            height, width = values.shape[:2]
            small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
            values = _per_band(values, lambda band: band.resize(small, Image.Resampling.LANCZOS))
            corners = corners * np.array([small[0] / width, small[1] / height])
        values, corners = _cut_around(values, corners, self.side / max(shrink, 1), blur)
        dense, quad = (SUPERSAMPLED * size,) * 2, corners.ravel().tolist()

        def sample(band: Image.Image) -> Image.Image:
            turned = band.transform(dense, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
            return turned.resize((size, size), Image.Resampling.LANCZOS if blur else Image.Resampling.BOX)

        return _per_band(values, sample)

    def picture(self, image: Image.Image, size: int) -> Image.Image:
        """Return the square of an 8-bit picture ("L" or "RGB"), size x size, as published with FFHQ (``cut``)."""
        pixels = np.asarray(image, np.float32)
        square = np.rint(self.cut(pixels.reshape(*pixels.shape[:2], -1), size).clip(0, 255)).astype(np.uint8)
        return Image.fromarray(square[..., 0] if pixels.ndim == 2 else square)

    def record(self) -> list:
        """Return the corners for a result file, in pixels whose centres are whole numbers, as in ``Face``."""
        return np.round(self.corners - 0.5, 3).tolist()


def _cut_around(values: np.ndarray, corners: np.ndarray, side: float, blur: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of values (H, W, C) around a square, padded where needed, and the corners in it."""
    height, width = values.shape[:2]
    border = max(round(side * BORDER), LEAST_BORDER)
    low, high = np.floor(corners.min(0)).astype(int) - border, np.ceil(corners.max(0)).astype(int) + border
    # (left, top), (right, bottom): how far the square and its border reach beyond the photograph.
    beyond = np.stack([np.maximum(-low, 0), np.maximum(high - (width, height), 0)])
    low, high = low.clip(0, (width - 1, height - 1)), high.clip((1, 1), (width, height))
    part = values[low[1] : high[1], low[0] : high[0]]
    corners = corners - low
    if beyond.max() <= max(border - NEAR_EDGE, 0):
        return part, corners
    pads = np.maximum(beyond, round(side * PADDING))
    return pad_by_reflection(part, pads, side if blur else None), corners + pads[0]


def _per_band(values: np.ndarray, change) -> np.ndarray:
    """Apply a function of Pillow images to every band of values (H, W, C)."""
    bands = [np.asarray(change(Image.fromarray(np.ascontiguousarray(band)))) for band in np.moveaxis(values, -1, 0)]
    return np.stack(bands, -1)
