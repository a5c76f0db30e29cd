"""Which frequencies each layer of a StyleGAN3 carries, and at what sampling rate (Karras et al. 2021, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """What leaves a layer. Frequencies in cycles a picture, rates in samples a picture.

    cutoff: half of the amplitude passes.  half_width: of the transition band.  size: of the map, margins included.
    """

    cutoff: float
    half_width: float
    rate: int
    size: int


@dataclass(frozen=True)
class Schedule:
    """Cutoff and stopband grow geometrically with the layers until ``num_critical`` before the last, which are sampled
    critically: they end at half of the resolution, and at ``last_stopband_rel`` times that."""

    resolution: int
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10

    def bands(self) -> list[Band]:
        """Of ``num_layers`` layers and of the one that makes colours."""
        last = self.resolution / 2
        bands = []
        for i in range(self.num_layers + 1):
            progress = min(i / (self.num_layers - self.num_critical), 1)
            cutoff = self.first_cutoff * (last / self.first_cutoff) ** progress
            stopband = self.first_stopband * (last * self.last_stopband_rel / self.first_stopband) ** progress
            rate = 2 ** math.ceil(math.log2(min(2 * stopband, self.resolution)))
            size = rate + 2 * self.margin_size if i < self.num_layers - 1 else self.resolution
            bands.append(Band(cutoff, max(stopband, rate / 2) - cutoff, rate, size))
        return bands

    def channels(self, base: int, most: int) -> tuple[int, ...]:
        """As published: base 32768 (16384 at 256 px), most 512, both doubled in configuration R."""
        widths = [round(min(base / 2 / band.cutoff, most)) for band in self.bands()]
        return (*widths[:-1], 3)


def layer_names(bands: Sequence[Band], channels: Sequence[int]) -> list[str]:
    return [f"L{i}_{band.size}_{width}" for i, (band, width) in enumerate(zip(bands, channels, strict=True))]
