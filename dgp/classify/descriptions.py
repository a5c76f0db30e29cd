"""Descriptions of degraded pictures from which their class is predicted: vectors of a few thousand numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from generators import Discriminator, Prior

Description = Callable[[Tensor], Tensor]

SIDE = 32  # pixels a side of the pictures whose gradients are described
CELL = 4  # pixels a side of a cell of the histograms
DIRECTIONS = 9
STABILISER = 1e-3  # added to the mean energy of a neighbourhood by which histograms are divided
GRID = 2  # cells a side over which maps of a discriminator are averaged
AT_ONCE = 2**17  # pixels that pass a discriminator together


def available(prior: Prior) -> dict[str, Description]:
    """Return the descriptions that a prior allows, by name; each maps (n, 3, R, R) in [-1, 1] to (n, F) float32."""
    found: dict[str, Description] = {"gradients": describe_gradients}
    if prior.discriminator is not None:
        found["discriminator"] = lambda pictures: describe_by_discriminator(pictures, prior.discriminator)
    return found


@torch.no_grad()
def describe_gradients(pictures: Tensor) -> Tensor:
    """Return histograms of oriented gradients (Dalal & Triggs 2005) with mean colours and contrasts, cell by cell.

    Gradients of the mean of the channels are counted by direction, without their sign, each shared between the two
    nearest directions, and divided by the root mean energy of the 3 x 3 cells around.

    Args:
        pictures: (n, 3, R, R) in [-1, 1]; larger ones are reduced to 32 pixels a side.

    Returns:
        (n, 832) float32: 64 cells of 9 directions, 3 colours and 1 contrast.
    """
    if pictures.shape[-1] != SIDE:
        pictures = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    grey = F.pad(pictures.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
    down = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    energy = (across.square() + down.square()).sqrt()
    direction = torch.atan2(down, across) % math.pi * (DIRECTIONS / math.pi)
    apart = (direction - torch.arange(DIRECTIONS).view(1, -1, 1, 1)).abs()
    shares = (1 - torch.minimum(apart, DIRECTIONS - apart)).clamp_min(0) * energy
    cells = F.avg_pool2d(shares, CELL)
    around = F.avg_pool2d(cells.square().sum(1, keepdim=True), 3, stride=1, padding=1)
    colours = F.avg_pool2d(pictures, CELL)
    contrast = (F.avg_pool2d(pictures.square(), CELL) - colours.square()).clamp_min(0).sqrt().mean(1, keepdim=True)
    return torch.cat([cells / (around + STABILISER).sqrt(), colours, contrast], 1).flatten(1)


@torch.no_grad()
def describe_by_discriminator(pictures: Tensor, discriminator: Discriminator) -> Tensor:
    """Return what a discriminator sees in pictures: its maps but the first after a ReLU, averaged over a 2 x 2 grid.

    A discriminator has seen real pictures, so that its features differ less between those and pictures of the prior
    than pixels do.

    Args:
        pictures: (n, 3, R, R) in [-1, 1].
        discriminator: the network.

    Returns:
        (n, F) float32, F four times the number of channels of all maps together, and the pooled vector.
    """
    like, found = next(discriminator.parameters()), []
    for part in pictures.split(max(1, AT_ONCE // pictures.shape[-1] ** 2)):
        _, *maps, vector = discriminator.features(part.to(like))
        pooled = [F.adaptive_avg_pool2d(F.relu(one), GRID).flatten(1) for one in maps]
        found.append(torch.cat([*pooled, vector], 1).float().cpu())
    return torch.cat(found)
