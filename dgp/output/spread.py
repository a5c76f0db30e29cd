"""The mean and the spread of several answers for one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dgp.observation.figures import SMALLEST, magnify
from generators.progress import waiting

# The standard deviation that is shown white. Uniformly random values would have 0.29, so answers with 0.2 have nothing
# in common. Typical values are 0.02 to 0.1, which would be too dark on a scale up to the largest possible value, 0.5.
FULL_SCALE = 0.2
UNIT = "standard deviation over the solutions, mean of the channels; black to white is 1"
BAND = 128  # rows of pixels that are processed together
STEPS = 5  # values of the legend, including both ends


@dataclass(frozen=True, eq=False)
class Spread:
    """The mean and the standard deviation of several answers for one picture.

    Attributes:
        mean: the mean picture.
        deviation: (H, W) float32, standard deviation at each pixel in ``UNIT``.
        solutions: how many answers there are.
    """

    mean: Image.Image
    deviation: np.ndarray
    solutions: int

    @classmethod
    @waiting("comparing the solutions")
    def from_images(cls, images: Sequence[Image.Image]) -> Spread:
        """Return the spread of pictures of the same size."""
        levels = [np.asarray(image.convert("RGB")) for image in images]
        mean, deviation = np.empty_like(levels[0]), np.empty(levels[0].shape[:2], np.float32)
        for top in range(0, len(mean), BAND):  # in bands, as stacked photographs would need much memory
            rows = np.s_[top : top + BAND]
            part = np.stack([one[rows] for one in levels]).astype(np.float32)
            mean[rows], deviation[rows] = np.rint(part.mean(0)), part.std(0).mean(-1) / 255
        return cls(Image.fromarray(mean), deviation, len(images))

    @property
    def picture(self) -> Image.Image:
        """The deviation as a grey picture (mode "L") with a legend below: 0 is black, ``FULL_SCALE`` and more white.

        The deviation map starts at the top left corner; small maps are enlarged by ``magnification``.
        """
        levels = Image.fromarray(np.rint(np.minimum(self.deviation / FULL_SCALE, 1) * 255).astype(np.uint8))
        enlarged = magnify(levels, magnification(levels.size))
        legend = _legend(max(enlarged.width, SMALLEST), self.solutions)
        sheet = Image.new("L", (legend.width, enlarged.height + legend.height), 255)
        sheet.paste(enlarged, (0, 0))
        sheet.paste(legend, (0, enlarged.height))
        return sheet

    def record(self) -> dict:
        """Return the entry of result.json."""
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
    """Return the whole factor by which a map of `size` (width, height) is enlarged, so that its legend is readable."""
    return max(1, -(-SMALLEST // max(size)))


def _legend(width: int, solutions: int) -> Image.Image:
    """Return the legend, mode "L": a strip of grey levels, their values, and a caption."""
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
