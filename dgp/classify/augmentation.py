"""Random changes of a prior's pictures before they are degraded, which cover its difference from real pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.identify.spectrum import blur


@dataclass(frozen=True)
class Augmentation:
    """Strengths of random changes.

    Attributes:
        shift: the largest translation, as a share of the side.
        blur: the largest standard deviation of a Gaussian, in 32nds of the side.
        contrast: the largest change of the contrast, as a factor less 1.
        brightness: the largest change of all channels together, of a range of 2.
        tint: the largest change of each channel, of a range of 2.
    """

    shift: float = 0.1
    blur: float = 1.0
    contrast: float = 0.3
    brightness: float = 0.2
    tint: float = 0.1

    def __call__(self, pictures: Tensor, random: torch.Generator) -> Tensor:
        """Return changed pictures (n, 3, R, R) in [-1, 1]; half of them are mirrored."""
        count, _, side, _ = pictures.shape

        def draw(*shape: int) -> Tensor:
            """Return numbers in [-1, 1]."""
            return 2 * torch.rand(shape, generator=random) - 1

        pictures = torch.where(draw(count, 1, 1, 1) < 0, pictures.flip(-1), pictures)
        pictures = _translate(pictures, (draw(count, 2) * self.shift * side).round().long())
        pictures = blur(pictures, draw(count).abs() * self.blur * side / 32)
        contrast = 1 + self.contrast * draw(count, 1, 1, 1)
        offset = self.brightness * draw(count, 1, 1, 1) + self.tint * draw(count, 3, 1, 1)
        return (pictures * contrast + offset).clamp(-1, 1)


def _translate(pictures: Tensor, offsets: Tensor) -> Tensor:
    """Translate each picture by its own whole numbers of pixels (n, 2), the rest mirrored at the edge."""
    side = pictures.shape[-1]
    reach = (2 * side - 2, side - 1)
    places = (torch.arange(side) + offsets[..., None]).abs() % reach[0]
    places = torch.where(places > reach[1], reach[0] - places, places)
    rows = torch.arange(len(pictures))[:, None, None]
    return pictures[rows, :, places[:, 0, :, None], places[:, 1, None, :]].permute(0, 3, 1, 2).contiguous()
