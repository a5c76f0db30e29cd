"""The frequency bands and sampling rates of StyleGAN3's layers (Karras et al. 2021, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """The band of a layer's output. Frequencies are in cycles a picture, rates in samples a picture.

    Attributes:
        cutoff: frequency at which half of the amplitude passes.
        half_width: of the transition band.
        rate: sampling rate.
        size: of the map in samples, margins included.
    """

    cutoff: float
    half_width: float
    rate: int
    size: int


@dataclass(frozen=True)
class Schedule:
    """The schedule of bands over the layers.

    Cutoff and stopband grow geometrically until ``num_critical`` layers before the last. Those last layers are sampled
    critically: the cutoff is half of the resolution, the stopband ``last_stopband_rel`` times that.
    """

    resolution: int
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10

    def bands(self) -> list[Band]:
        """Return the bands of ``num_layers`` layers and of the one that makes colours."""
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
        """Return the channels of each layer.

        As published: base 32768 (16384 at 256 px), most 512, both doubled in configuration R.
        """
        widths = [round(min(base / 2 / band.cutoff, most)) for band in self.bands()]
        return (*widths[:-1], 3)


def layer_names(bands: Sequence[Band], channels: Sequence[int]) -> list[str]:
    """Return the published names of the layers, such as "L0_36_512"."""
    return [f"L{i}_{band.size}_{width}" for i, (band, width) in enumerate(zip(bands, channels, strict=True))]
