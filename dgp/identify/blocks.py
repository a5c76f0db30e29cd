"""What JPEG leaves in pixels: amplitudes of 8x8 blocks that lie on the lattice of a quantisation table."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from degradations.jpeg import tables as jpeg_tables
from dgp.identify.spectrum import cosines

SIDE = 8
MOST = 64  # blocks that are looked at
QUALITIES = tuple(range(2, 100))
LOWEST = 5  # diagonals of a block that are looked at: the finer amplitudes are hardly ever other than 0
VANISHING = 1.0  # levels, below which an amplitude may be 0
ROUNDING = 0.4  # deviation, in levels, that decoding to 8 bits leaves on each amplitude
STRAY = 0.02  # share of amplitudes that lie anywhere, as those of clipped blocks do


@functools.lru_cache(maxsize=1)
def tables() -> Tensor:
    """(qualities, 64): the luma steps of each quality, as the Independent JPEG Group scales them."""
    return jpeg_tables.tables()[QUALITIES[0] - 1 : QUALITIES[-1], 0].flatten(1).float()


def _blocks(plane: Tensor) -> Tensor:
    """(N, h, w) -> (N, blocks, 8, 8), of the blocks that begin in the upper left corner; at most ``MOST`` of them."""
    n, h, w = plane.shape
    plane = plane[:, : h // SIDE * SIDE, : w // SIDE * SIDE]
    found = plane.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE).reshape(n, -1, SIDE, SIDE)
    if found.shape[1] > MOST:
        found = found[:, torch.linspace(0, found.shape[1] - 1, MOST).round().long()]
    return found


def amplitudes(luma: Tensor) -> Tensor:
    """(N, h, w) in levels, h and w at least 8 -> (N, blocks, 64)."""
    basis = cosines(SIDE)
    return (basis @ (_blocks(luma) - 128) @ basis.T).flatten(2)


def whole(levels: Tensor) -> Tensor:
    """(N, c, h, w) -> (N, blocks) of 0 and 1: the blocks in which nothing was clipped, so that amplitudes stay put."""
    clipped = ((levels <= 0) | (levels >= 255)).any(1).float()
    return (_blocks(clipped).amax((2, 3)) == 0).float()


def evidence(found: Tensor, counts: Tensor) -> Tensor:
    """Amplitudes (N, blocks, 64), of blocks that count (N, blocks) -> (N, qualities): the log-likelihood of each
    quality, against amplitudes that lie anywhere.

    An amplitude lies on its lattice by chance the more rarely the coarser that is; one that vanishes says nothing, as
    smooth pictures have many.
    """
    low = (torch.arange(SIDE)[:, None] + torch.arange(SIDE)).flatten() < LOWEST
    found = found[..., low]
    counts = counts[..., None] * (found.abs() >= VANISHING)
    sums = []
    for steps in tables()[:, low]:
        multiple = (found / steps).round()
        near = torch.exp(-((found - steps * multiple) / ROUNDING).square() / 2) * (multiple != 0)
        gain = steps / (ROUNDING * (2 * torch.pi) ** 0.5)
        sums.append((((1 - STRAY) * gain * near + STRAY).log() * counts).sum((1, 2)))
    return torch.stack(sums, 1)


def lattice(luma: Tensor, levels: Tensor) -> Tensor:
    """(N, h, w), (N, c, h, w) -> (N, 4 + 5 + 2): the likeliest quality with its evidence, the mean and deviation over
    all qualities, shares of vanishing amplitudes, and how much more pixels differ across the blocks' borders than
    within."""
    found = amplitudes(luma)
    likelihood = evidence(found, whole(levels))
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
    for turned in (luma, luma.mT):
        step = (turned[..., 1:] - turned[..., :-1]).abs().mean(1)
        border = torch.arange(step.shape[1]) % SIDE == SIDE - 1
        edges = step[:, border].mean(1) if border.any() else step.mean(1)
        seen.append(((edges + 0.1) / (step[:, ~border].mean(1) + 0.1)).log())
    return torch.stack(seen, 1)
