"""Statistics of JPEG compression: DCT amplitudes of 8x8 blocks are multiples of the steps of a quantisation table."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from degradations.jpeg import tables as jpeg_tables
from dgp.identify.spectrum import cosines

SIDE = 8
MAX_BLOCKS = 64  # of a picture
QUALITIES = tuple(range(2, 100))
DIAGONALS = 5  # of a block, from the coarsest: finer amplitudes are nearly always quantised to 0
VANISHING = 1.0  # levels; smaller amplitudes count as 0
ROUNDING = 0.4  # levels: standard deviation of amplitudes due to rounding the decoded pixels to 8 bits
OUTLIERS = 0.02  # share of amplitudes that are not multiples, as in clipped blocks


@functools.lru_cache(maxsize=1)
def tables() -> Tensor:
    """Return the quantisation steps of luma for each quality (Independent JPEG Group), (qualities, 64)."""
    return jpeg_tables.tables()[QUALITIES[0] - 1 : QUALITIES[-1], 0].flatten(1).float()


def _blocks(plane: Tensor) -> Tensor:
    """Return at most ``MAX_BLOCKS`` 8x8 blocks, aligned with the upper left corner: (N, h, w) -> (N, blocks, 8, 8)."""
    n, h, w = plane.shape
    plane = plane[:, : h // SIDE * SIDE, : w // SIDE * SIDE]
    found = plane.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE).reshape(n, -1, SIDE, SIDE)
    if found.shape[1] > MAX_BLOCKS:
        found = found[:, torch.linspace(0, found.shape[1] - 1, MAX_BLOCKS).round().long()]
    return found


def amplitudes(luma: Tensor) -> Tensor:
    """Return the DCT amplitudes of blocks: (N, h, w) in levels, h and w at least 8 -> (N, blocks, 64)."""
    basis = cosines(SIDE)
    return (basis @ (_blocks(luma) - 128) @ basis.T).flatten(2)


def unclipped_blocks(levels: Tensor) -> Tensor:
    """Return 1 for blocks without clipped pixels, else 0, as clipping moves amplitudes: (N, c, h, w) -> (N, blocks)."""
    clipped = ((levels <= 0) | (levels >= 255)).any(1).float()
    return (_blocks(clipped).amax((2, 3)) == 0).float()


def evidence(found: Tensor, counts: Tensor) -> Tensor:
    """Return the log-likelihood ratio of each JPEG quality against unquantised amplitudes.

    The coarser the quantisation, the less likely amplitudes are to be multiples of its steps by chance. Amplitudes of
    0 are ignored, as smooth pictures have many of them.

    Args:
        found: amplitudes, (N, blocks, 64).
        counts: (N, blocks), 1 for blocks that count, else 0.

    Returns:
        (N, qualities), in nats.
    """
    low = (torch.arange(SIDE)[:, None] + torch.arange(SIDE)).flatten() < DIAGONALS
    found = found[..., low]
    counts = counts[..., None] * (found.abs() >= VANISHING)
    sums = []
    for steps in tables()[:, low]:
        multiple = (found / steps).round()
        near = torch.exp(-((found - steps * multiple) / ROUNDING).square() / 2) * (multiple != 0)
        gain = steps / (ROUNDING * (2 * torch.pi) ** 0.5)
        sums.append((((1 - OUTLIERS) * gain * near + OUTLIERS).log() * counts).sum((1, 2)))
    return torch.stack(sums, 1)


def lattice(luma: Tensor, levels: Tensor) -> Tensor:
    """Return the statistics of JPEG compression.

    Args:
        luma: (N, h, w) in levels.
        levels: (N, c, h, w), all channels in levels.

    Returns:
        (N, 4 + 5 + 2): the likeliest quality and its log-likelihood ratio, the posterior mean and standard deviation of
        the quality, the shares of vanishing amplitudes in five bands, and the log ratio of pixel differences across
        the borders of blocks to those inside, for both axes.
    """
    found = amplitudes(luma)
    likelihood = evidence(found, unclipped_blocks(levels))
    best, where = likelihood.max(1)
    grid = torch.tensor(QUALITIES, dtype=luma.dtype)
    weight = (likelihood - best[:, None]).exp()
    weight = weight / weight.sum(1, keepdim=True)
    mean = weight @ grid
    spread = (weight @ grid.square() - mean.square()).clamp_min(0).sqrt()
    seen = [grid[where] / 100, best.clamp(-500, 500).div(50).tanh(), mean / 100, spread / 10]
    order = torch.arange(SIDE)
    diagonal = (order[:, None] + order[None]).flatten()
    for low, high in ((1, 3), (3, 5), (5, 7), (7, 9), (9, 15)):
        part = found[..., (diagonal >= low) & (diagonal < high)].abs()
        seen.append((part < 0.7).float().mean((1, 2)))
    for plane in (luma, luma.mT):
        step = (plane[..., 1:] - plane[..., :-1]).abs().mean(1)
        border = torch.arange(step.shape[1]) % SIDE == SIDE - 1
        edges = step[:, border].mean(1) if border.any() else step.mean(1)
        seen.append(((edges + 0.1) / (step[:, ~border].mean(1) + 0.1)).log())
    return torch.stack(seen, 1)
