"""Several answers to one picture as two: their mean, and how far they are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dgp.observation.figures import SMALLEST, magnify
from generators.progress import waiting

# What is shown white. Values drawn evenly between black and white would be 0.29 apart, so that answers which differ by
# 0.2 agree on nothing; usual ones, colours that differ by 0.02 to 0.1, would be lost on a scale up to the largest
# possible value, 0.5.
FULL_SCALE = 0.2
UNIT = "standard deviation over the solutions, mean of the channels; black to white is 1"
BAND = 128  # rows of pictures that are compared at once
STEPS = 5  # of the legend, both ends included


@dataclass(frozen=True, eq=False)
class Spread:
    """Of several answers to one picture.

    mean: their mean.  deviation: (H, W) float32, how far they are apart in each pixel, in the ``UNIT``.
    solutions: how many they are.
    """

    mean: Image.Image
    deviation: np.ndarray
    solutions: int

    @classmethod
    @waiting("comparing the solutions")
    def of(cls, images: Sequence[Image.Image]) -> Spread:
        """Measure pictures of one size."""
        levels = [np.asarray(image.convert("RGB")) for image in images]
        mean, deviation = np.empty_like(levels[0]), np.empty(levels[0].shape[:2], np.float32)
        for top in range(0, len(mean), BAND):  # in parts, as photographs are large
            rows = np.s_[top : top + BAND]
            part = np.stack([one[rows] for one in levels]).astype(np.float32)
            mean[rows], deviation[rows] = np.rint(part.mean(0)), part.std(0).mean(-1) / 255
        return cls(Image.fromarray(mean), deviation, len(images))

    @property
    def picture(self) -> Image.Image:
        """Return the deviation from 0 (black) to ``FULL_SCALE`` and more (white), above a legend; mode "L".

        It begins at the top left corner, enlarged by ``magnification`` where it is small.
        """
        levels = Image.fromarray(np.rint(np.minimum(self.deviation / FULL_SCALE, 1) * 255).astype(np.uint8))
        shown = magnify(levels, magnification(levels.size))
        legend = _legend(max(shown.width, SMALLEST), self.solutions)
        sheet = Image.new("L", (legend.width, shown.height + legend.height), 255)
        sheet.paste(shown, (0, 0))
        sheet.paste(legend, (0, shown.height))
        return sheet

    def record(self) -> dict:
        """Return what result.json says of it, and of its picture."""
        return {
            "full_scale": FULL_SCALE,
            "unit": UNIT,
            "mean": float(self.deviation.mean()),
            "max": float(self.deviation.max()),
            "magnification": magnification(self.mean.size),
        }

    def __repr__(self) -> str:
        return (
            f"Spread of {self.solutions} solutions, {self.mean.width}x{self.mean.height}: "
            f"mean {self.deviation.mean():.3f}, max {self.deviation.max():.3f} (black to white is 1)"
        )


def magnification(size: tuple[int, int]) -> int:
    """Return by which whole factor a picture of (width, height) is enlarged, so that its legend can be read."""
    return max(1, -(-SMALLEST // max(size)))


def _legend(width: int, solutions: int) -> Image.Image:
    """A strip of grey levels with their values below, and a line that says what they are; mode "L"."""
    size = max(12, width // 40)
    font, gap = ImageFont.load_default(size), size // 2
    words = f"standard deviation of {solutions} solutions"
    if font.getlength(words) > width - 2 * gap:
        words = f"std of {solutions} solutions"
    strip = Image.new("L", (width, 4 * size + gap), 255)
    draw, inner = ImageDraw.Draw(strip), width - 2 * gap
    ramp = Image.linear_gradient("L").rotate(90).resize((inner, size))
    strip.paste(ramp, (gap, gap))
    draw.rectangle((gap, gap, gap + inner - 1, gap + size - 1), outline=0)
    for step in range(STEPS):
        text = f"{FULL_SCALE * step / (STEPS - 1):.2g}" + ("+" if step == STEPS - 1 else "")
        left = gap + (inner - font.getlength(text)) * step / (STEPS - 1)
        draw.text((left, gap + size), text, fill=0, font=font)
    draw.text((width / 2, 2 * gap + 2 * size), words, fill=0, font=font, anchor="ma")
    return strip
