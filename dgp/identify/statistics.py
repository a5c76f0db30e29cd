"""A vector of some hundred statistics of a picture, from which its damages are identified."""

from __future__ import annotations

import torch
from torch import Tensor

from dgp.identify import grain
from dgp.identify.blocks import lattice
from dgp.identify.spectrum import COARSE, axes, bands, differences
from dgp.identify.tones import colour, tones

SMALLEST = 16  # pixels; smaller pictures are extended by their mirror image
LUMA = (0.299, 0.587, 0.114)
AT_ONCE = 2**18  # pixels that are processed together


@torch.no_grad()
def statistics(y: Tensor) -> Tensor:
    """Return the statistics of each row, independently of the others.

    Args:
        y: (N, c, h, w) in [-1, 1], c = 1 or 3.

    Returns:
        (N, F) float32; F depends on c only.
    """
    at_once = max(1, AT_ONCE // (y.shape[-1] * y.shape[-2]))
    return torch.cat([_chunk_statistics(part) for part in y.float().cpu().split(at_once)])


def _chunk_statistics(y: Tensor) -> Tensor:
    levels = ((y.clamp(-1, 1) + 1) * 127.5).round()
    while min(levels.shape[-2:]) < SMALLEST:
        levels = torch.cat([levels, levels.flip(-1)], -1)
        levels = torch.cat([levels, levels.flip(-2)], -2)
    luma = (levels * torch.tensor(LUMA)[:, None, None]).sum(1) if levels.shape[1] == 3 else levels[:, 0]
    found = [
        bands(luma),
        axes(luma),
        differences(luma),
        grain.deviations(luma),
        grain.shape(luma),
        grain.by_brightness(luma, luma),
    ]
    found += [grain.by_brightness(luma, luma), grain.components(luma[:, None], 5), lattice(luma, levels), tones(luma)]
    if levels.shape[1] == 3:
        found += [grain.components(levels), grain.colours(levels), colour(levels)]
        for channel in (0, 2):
            chroma = levels[:, channel] - luma
            found += [bands(chroma, COARSE), grain.deviations(chroma), grain.by_brightness(chroma, luma)]
    return torch.cat(found, 1)
