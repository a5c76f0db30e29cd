"""What is lost when numbers become one of few: an error that the picture itself decides.

As noise models, so that predictions stay smooth: ``measure`` rounds as the real program does, the data term
says how far a prediction is from what may have been rounded, and ``merge`` goes no further than it must.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.errors import SizeError
from degradations.files.pictures import from_picture, to_picture
from degradations.noise.model import LEVEL, NoiseModel
from degradations.rows import expand_rows, mean_per_row

# Floyd and Steinberg's error is blue: its spectrum rises as the square of the frequency, and where it is as strong as
# detail usually is, y tells little. Weights of frequencies fall by half at BAND (1 is Nyquist), and what is left of the
# error under them was measured on photographs, in steps between levels.
BAND = 0.35
DITHERED = 0.075


class RoundingNoise(NoiseModel):
    """The error of a program that rounds."""

    def quantize(self, y: Tensor) -> Tensor:
        """y (N, c, h, w) as the program rounds it, without gradient."""
        raise NotImplementedError

    def sample(self, y, generator=None):
        """Nothing is drawn. With the gradient of y itself."""
        return y + (self.quantize(y) - y).detach()

    def mean_square(self, y_hat):
        return mean_per_row((self.quantize(y_hat) - y_hat).detach().square())

    def nll(self, y_hat, y):
        """As if the error were Gaussian and independent, of the size that it has for y_hat."""
        variance = expand_rows(self.mean_square(y_hat) + LEVEL**2 / 12)
        return mean_per_row((y - y_hat).square() / variance + (2 * math.pi * variance).log()) / 2


class EvenLevels(RoundingNoise):
    """The nearest of ``levels`` evenly spaced values, black and white among them."""

    def __init__(self, levels: int):
        self.levels = levels

    def quantize(self, y):
        top = self.levels - 1
        return ((y.detach().clamp(-1, 1) + 1) / 2 * top).round() / top * 2 - 1

    def within(self, y_hat, y):
        """Anything that rounds to y."""
        return y_hat.clamp(*(self.quantize(y) + side / (self.levels - 1) for side in (-1, 1)))


class Dithering(RoundingNoise):
    """Floyd and Steinberg's error diffusion by Pillow, in each channel, to ``levels`` evenly spaced values."""

    def __init__(self, levels: int):
        self.levels = levels
        self.palette = Image.new("P", (1, 1))
        self.palette.putpalette([round(255 * k / (levels - 1)) for k in range(levels) for _ in range(3)])

    def quantize(self, y):
        channels = y.detach().flatten(0, 1)[:, None]
        made = [
            to_picture(channel).convert("RGB").quantize(palette=self.palette, dither=Image.Dither.FLOYDSTEINBERG)
            for channel in channels
        ]
        return torch.cat([from_picture(one.convert("L")) for one in made]).view(y.shape).to(y)

    def differences(self, y_hat, y):
        """Of the low frequencies; what is left of the others is the pattern of the dots."""
        rows, columns, weight = _spectrum(*y.shape[-2:], y.dtype, y.device)
        return (rows.mT @ (weight.sqrt() * (rows @ (y_hat - y) @ columns.mT)) @ columns).square()

    def within(self, y_hat, y):
        """The nearest y of which the weighted error is that of dithering: each frequency goes as far as its weight
        and one multiplier for the row ask for."""
        rows, columns, weight = _spectrum(*y.shape[-2:], y.dtype, y.device)
        error = rows @ (y - y_hat) @ columns.mT
        allowed = (DITHERED * 2 / (self.levels - 1)) ** 2
        low, high = error.new_zeros(len(error), 1, 1, 1), error.new_full((len(error), 1, 1, 1), 1e6)
        for _ in range(60):
            middle = (low * high).sqrt() if bool((low > 0).all()) else (low + high) / 2
            too_far = mean_per_row(weight * (error / (1 + middle * weight)).square()) > allowed
            low = torch.where(expand_rows(too_far), middle, low)
            high = torch.where(expand_rows(too_far), high, middle)
        near = mean_per_row(weight * error.square()) <= allowed
        multiplier = torch.where(expand_rows(near), 0, high)
        return y_hat + rows.mT @ (error * (multiplier * weight / (1 + multiplier * weight))) @ columns


class FewColors(RoundingNoise):
    """The ``colors`` colours that Pillow's median cut finds in each row by itself, none of them mixed."""

    def __init__(self, colors: int):
        self.colors = colors

    def quantize(self, y):
        if y.shape[1] not in (1, 3):
            raise SizeError(f"got {y.shape[1]} channels; a palette is made of pictures with 1 or 3")
        pictures = [to_picture(row) for row in y.detach()]
        made = [p.quantize(self.colors, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for p in pictures]
        return torch.cat([from_picture(q.convert(p.mode)) for p, q in zip(pictures, made, strict=True)]).to(y)

    def within(self, y_hat, y):
        """On the way to y, the first point that is nearer to its colour than to all others of y. A y of more colours
        was not made so, and stays."""
        return torch.stack([self._towards(own, seen) for own, seen in zip(y_hat, y, strict=True)])

    def _towards(self, here: Tensor, there: Tensor) -> Tensor:
        """(c, h, w) twice."""
        colors = there.flatten(1).unique(dim=1).T
        if len(colors) > self.colors:
            return there
        part = torch.zeros_like(here[0])
        for color in colors[:, :, None, None]:
            gap = (there - color).square().sum(0)
            nearer = ((here - there).square().sum(0) - (here - color).square().sum(0)).clamp_min(0)
            part = torch.maximum(part, nearer / (nearer + gap).clamp_min(1e-12))
        return torch.where(part > 0, here + part * (there - here), here)


@lru_cache(maxsize=8)
def _spectrum(h: int, w: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Orthonormal cosine transforms (h, h) and (w, w), and the weight (h, w) of each frequency."""

    def cosines(n: int) -> Tensor:
        k, i = np.arange(n)[:, None], np.arange(n)[None]
        table = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * np.sqrt(2 / n)
        table[0] /= np.sqrt(2)
        return torch.from_numpy(table).to(device, dtype)

    squared = (torch.arange(h) / h)[:, None] ** 2 + (torch.arange(w) / w)[None] ** 2
    return cosines(h), cosines(w), (1 / (1 + (squared / BAND**2) ** 2)).to(device, dtype)
