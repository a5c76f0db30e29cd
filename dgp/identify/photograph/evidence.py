"""Statistics of patches: those of whole pictures, and those of direction, which need some size."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from dgp.identify.spectrum import FLOOR
from dgp.identify.statistics import LUMA, statistics

SECTORS = 12  # of directions, half a turn together
BANDS = (0.04, 0.1, 0.18, 0.3, 0.5)  # cycles per pixel
AT_ONCE = 256  # patches


def patch_statistics(patches: Tensor) -> Tensor:
    """Return the statistics of each patch: (N, 1 or 3, s, s) in [-1, 1] -> (N, F) float32."""
    directions = torch.cat([_directions(part) for part in patches.split(AT_ONCE)])
    return torch.cat([statistics(patches), directions], 1)


@functools.lru_cache(maxsize=4)
def _sectors(side: int) -> Tensor:
    """Return a mask of 0 and 1 for each band and direction of the spectrum, (bands SECTORS, side side)."""
    down, across = torch.fft.fftfreq(side)[:, None], torch.fft.fftfreq(side)[None]
    radius = (down.square() + across.square()).sqrt().flatten()
    # from direction 0, whose sector lies around the axis, to half a turn
    turn = torch.atan2(down.expand(side, side), across.expand(side, side)).flatten() / torch.pi % 1
    sector = (turn * SECTORS).round() % SECTORS
    bands = zip(BANDS, BANDS[1:], strict=False)
    masks = [(radius > low) & (radius <= high) & (sector == k) for low, high in bands for k in range(SECTORS)]
    return torch.stack(masks).float()


def _directions(patches: Tensor) -> Tensor:
    """Return the log energy of each direction relative to the mean of its band, which motion blur makes uneven."""
    levels = (patches + 1) * 127.5
    luma = (levels * torch.tensor(LUMA)[:, None, None]).sum(1) if levels.shape[1] == 3 else levels[:, 0]
    side = luma.shape[-1]
    window = torch.hann_window(side, periodic=False)
    tapered = (luma - luma.mean((1, 2), keepdim=True)) * window * window[:, None]
    energy = torch.fft.fft2(tapered, norm="ortho").abs().square().flatten(1)
    masks = _sectors(side)
    logs = (energy @ masks.T / masks.sum(1) + FLOOR).log().unflatten(1, (-1, SECTORS))
    return (logs - logs.mean(2, keepdim=True)).flatten(1)
