"""Evidence for scratches, from the share of a photograph that the detector of damage marks."""

from __future__ import annotations

import math

from PIL import Image

from degradations import find_damage

PIXELS = 90_000  # of the copy that is searched, so that the cost is bounded
LEAST = 3e-4  # share of the marked pixels that counts as none
# Log-likelihood ratio of scratches, creases and dust against none as a function of the log of the share: fitted
# by hand to four intact and four worn photographs among every third of those of ``benchmarks/quality/scratches.py``
SLOPE, BIAS, LIMIT = 2.5, 10.1, 3.0


def scratch_log_ratio(picture: Image.Image) -> float:
    """Return the log-likelihood ratio of scratches against none, between -`LIMIT` and `LIMIT`.

    Args:
        picture: 8-bit L or RGB.
    """
    value = SLOPE * log_share(picture) + BIAS
    return max(-LIMIT, min(LIMIT, value))


def log_share(picture: Image.Image) -> float:
    """Return the log of the share of pixels that ``find_damage`` marks in a small copy."""
    factor = (PIXELS / (picture.width * picture.height)) ** 0.5
    if factor < 1:
        picture = picture.resize(tuple(max(16, round(n * factor)) for n in picture.size), Image.Resampling.BOX)
    return math.log(float(find_damage(picture).float().mean()) + LEAST)
