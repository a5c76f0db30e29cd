"""The landmarks of a face."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dgp.errors import InputError

NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
# In the 68 points of iBUG 300-W, counted from 0: those whose mean is each of the five.
OF_68 = (range(36, 42), range(42, 48), (30,), (48,), (54,))
NEAREST = 1.0  # pixels between the eyes, and between eyes and mouth, below which there is no direction


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photograph.

    Attributes:
        points: (5, 2) float64, x and y of left eye, right eye, nose, left and right corner of the mouth, where left is
            the viewer's left; in pixels, whose centres are whole numbers.
        score: the detector's confidence, in [0, 1]; None where no detector found it.
        source: name and version of the detector, or the file.
    """

    points: np.ndarray
    score: float | None = None
    source: str = "given"

    @classmethod
    def from_points(cls, points, score: float | None = None, source: str = "given") -> Face:
        """Return a face from five landmarks or from the 68 of iBUG 300-W, which dlib's predictor finds.

        Args:
            points: (5, 2) or (68, 2), in the order of ``Face.points`` or of iBUG.
            score: the confidence, or None.
            source: where they come from.

        Raises:
            InputError: another shape, values that are not finite, or points that coincide.
        """
        try:
            array = np.asarray(points, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.empty(0)
        if array.shape not in ((5, 2), (68, 2)):
            raise InputError(
                f"{source}: got landmarks of shape {array.shape}, expected 5 points (x, y) for each face: "
                f"{', '.join(NAMES)}; or the 68 of iBUG 300-W"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{source}: got landmarks with NaN or Infinity, expected pixels")
        if len(array) == 68:
            array = np.stack([array[list(which)].mean(0) for which in OF_68])
        eyes, mouth = array[:2].mean(0), array[3:].mean(0)
        if min(np.hypot(*(array[1] - array[0])), np.hypot(*(mouth - eyes))) < NEAREST:
            raise InputError(
                f"{source}: got landmarks that coincide, expected pixels in the order {', '.join(NAMES)}; correct them"
            )
        return cls(array, score, source)

    def scaled(self, factor: float) -> Face:
        """Return the same face in a photograph whose sides are `factor` times as long."""
        return replace(self, points=(self.points + 0.5) * factor - 0.5)

    def record(self) -> dict:
        """Return the entry of a result file or of a file of landmarks."""
        return {"landmarks": np.round(self.points, 3).tolist(), "score": self.score, "source": self.source}
