"""Rounding to few values as noise models: the error is determined by the picture, and nothing is random.

Predictions stay smooth: ``measure`` rounds as the real program does, the data term measures the distance of a
prediction from what may have been rounded to y, and ``merge`` moves a picture no further than necessary.
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

# The error of Floyd and Steinberg's dithering is blue noise: its power rises with the square of the frequency. Where it
# reaches that of typical image detail, y carries little information. Weights of frequencies fall by half at BAND (1
# is Nyquist). DITHERED is the weighted error that remains, measured on photographs, in steps between levels.
BAND = 0.35
DITHERED = 0.075
SPREAD = 0.5  # deviation of the error of a palette, in distances of neighbouring colours; measured on photographs


class RoundingNoise(NoiseModel):
    """The rounding error of a program. Subclasses define ``quantize``."""

    def quantize(self, y: Tensor) -> Tensor:
        """Round y (N, c, h, w) as the program does, without gradient."""
        raise NotImplementedError

    def sample(self, y, generator=None):
        """Round y; nothing is drawn. The gradient is that of y."""
        return y + (self.quantize(y) - y).detach()

    def mean_square(self, y_hat):
        return mean_per_row((self.quantize(y_hat) - y_hat).detach().square())

    def nll(self, y_hat, y):
        """Return the negative log likelihood as if the error were Gaussian, with its actual size at y_hat: (N,)."""
        variance = expand_rows(self.mean_square(y_hat) + LEVEL**2 / 12)
        return mean_per_row((y - y_hat).square() / variance + (2 * math.pi * variance).log()) / 2

    def averaged(self, gain):
        """Return None: averages are not on the levels, and their errors nearly cancel."""
        return None


class EvenLevels(RoundingNoise):
    """Rounding to the nearest of ``levels`` evenly spaced values from black to white.

    Args:
        levels: at least 2.
    """

    def __init__(self, levels: int):
        self.levels = levels

    def quantize(self, y):
        top = self.levels - 1
        return ((y.detach().clamp(-1, 1) + 1) / 2 * top).round() / top * 2 - 1

    def estimate_deviation(self, y: Tensor) -> Tensor:
        """Return the standard deviation of the rounding error, (N,)."""
        return y.new_full((len(y),), 2 / (self.levels - 1) / 12**0.5)

    def within(self, y_hat, y):
        """Clip y_hat to the interval of values that round to y."""
        return y_hat.clamp(*(self.quantize(y) + side / (self.levels - 1) for side in (-1, 1)))


class Dithering(RoundingNoise):
    """Floyd and Steinberg's error diffusion by Pillow, in each channel, to ``levels`` evenly spaced values.

    Args:
        levels: at least 2.
    """

    def __init__(self, levels: int):
        self.levels = levels
        self.palette = Image.new("P", (1, 1))
        self.palette.putpalette([round(255 * k / (levels - 1)) for k in range(levels) for _ in range(3)])

    def quantize(self, y):
        channels = y.detach().flatten(0, 1)[:, None]
        dithered = [
            to_picture(channel).convert("RGB").quantize(palette=self.palette, dither=Image.Dither.FLOYDSTEINBERG)
            for channel in channels
        ]
        return torch.cat([from_picture(channel.convert("L")) for channel in dithered]).view(y.shape).to(y)

    def differences(self, y_hat, y):
        """Return squared differences of the low frequencies; the others hold the pattern of the dots."""
        rows, columns, weight = _spectrum(*y.shape[-2:], y.dtype, y.device)
        return (rows.mT @ (weight.sqrt() * (rows @ (y_hat - y) @ columns.mT)) @ columns).square()

    def within(self, y_hat, y):
        """Return the nearest y whose weighted error equals that of dithering.

        Each frequency moves by an amount that its weight and one Lagrange multiplier for the row determine; the
        multiplier is found by bisection.
        """
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
    """The ``colors`` colours that Pillow's median cut chooses for each row, without dithering.

    Args:
        colors: the number of colours.
    """

    def __init__(self, colors: int):
        self.colors = colors

    def quantize(self, y):
        if y.shape[1] not in (1, 3):
            raise SizeError(f"got {y.shape[1]} channels; a palette needs 1 or 3")
        pictures = [to_picture(row) for row in y.detach()]
        quantized = [p.quantize(self.colors, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE) for p in pictures]
        return torch.cat([from_picture(q.convert(p.mode)) for p, q in zip(pictures, quantized, strict=True)]).to(y)

    def estimate_deviation(self, y: Tensor) -> Tensor:
        """Estimate the standard deviation of the rounding error from the distances of neighbouring colours, (N,)."""
        return torch.stack([_estimate_spread(row) for row in y])

    def within(self, y_hat, y):
        """Move y_hat towards y up to the point that is nearer to y's colour than to any other colour of y.

        A y of more than ``colors`` colours was not produced by this operator, and is returned unchanged.
        """
        return torch.stack([self._towards(*row) for row in zip(y_hat, y, strict=True)])

    def _towards(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Do so for one row: y_hat and y are (c, h, w)."""
        colors = y.flatten(1).unique(dim=1).T
        if len(colors) > self.colors:
            return y
        share = torch.zeros_like(y_hat[0])
        for color in colors[:, :, None, None]:
            gap = (y - color).square().sum(0)
            nearer = ((y_hat - y).square().sum(0) - (y_hat - color).square().sum(0)).clamp_min(0)
            share = torch.maximum(share, nearer / (nearer + gap).clamp_min(1e-12))
        return torch.where(share > 0, y_hat + share * (y - y_hat), y_hat)


def _estimate_spread(y: Tensor) -> Tensor:
    """Return a share of the distance from each pixel's colour to the nearest other colour of y, (c, h, w)."""
    colors, counts = y.flatten(1).unique(dim=1, return_counts=True)
    if len(counts) < 2 or len(counts) > 256:
        return y.new_zeros(())
    gaps = torch.cdist(colors.T, colors.T).fill_diagonal_(math.inf).amin(1)
    return SPREAD * ((gaps.square() * counts).sum() / counts.sum() / len(colors)).sqrt()


@lru_cache(maxsize=8)
def _spectrum(h: int, w: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return orthonormal cosine transforms (h, h) and (w, w), and the weight (h, w) of each frequency."""

    def cosines(n: int) -> Tensor:
        k, i = np.arange(n)[:, None], np.arange(n)[None]
        table = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * np.sqrt(2 / n)
        table[0] /= np.sqrt(2)
        return torch.from_numpy(table).to(device, dtype)

    squared = (torch.arange(h) / h)[:, None] ** 2 + (torch.arange(w) / w)[None] ** 2
    return cosines(h), cosines(w), (1 / (1 + (squared / BAND**2) ** 2)).to(device, dtype)
