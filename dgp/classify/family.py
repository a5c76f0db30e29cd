"""The operator for which a classifier is trained: one for many photographs, whose sizes and holes all differ."""

from __future__ import annotations

import math

import torch
from torch import Tensor

import degradations
from degradations import Degradation, Inpaint
from dgp.observation.boxes import shrink_factor
from dgp.observation.observation import Observation

STEPS = 2  # of the factor by which photographs are shrunk, for each halving
SHARES = (0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # of missing pixels
LARGEST = 0.6  # of the side: extent of one hole


class RandomHoles(Degradation):
    """Random rectangles and ellipses that are missing; (N, C, H, W) -> the same shape, 0 where pixels are missing.

    Args:
        share: of the pixels that are missing at least.
    """

    def __init__(self, share: float):
        super().__init__()
        self.share = share

    def forward(self, x):
        return x

    @torch.no_grad()
    def measure(self, x, generator=None):
        holes = [draw_holes(tuple(x.shape[-2:]), self.share, generator) for _ in range(len(x))]
        return x * ~torch.stack(holes)[:, None].to(x.device)


def draw_holes(size: tuple[int, int], share: float, random: torch.Generator | None) -> Tensor:
    """Draw rectangles and ellipses until they cover a share of a picture (H, W); (H, W) bool."""
    h, w = size
    down, across = torch.arange(h)[:, None] + 0.5, torch.arange(w)[None] + 0.5
    missing = torch.zeros(size, dtype=torch.bool)
    while missing.float().mean() < share:
        u = torch.rand(5, generator=random).tolist()
        high, wide = (max(1.0, LARGEST * n * v * share**0.5) for n, v in ((h, u[2]), (w, u[3])))
        y, x = (down - u[0] * h).abs() / (high / 2), (across - u[1] * w).abs() / (wide / 2)
        missing |= (y.square() + x.square() < 1) if u[4] < 0.5 else (torch.maximum(y, x) < 1)
    return missing


def generalize_operator(observation: Observation) -> Degradation:
    """Return an operator that is similar to that of an observation, and equal for similar observations.

    Masks of one picture become random holes that cover about as much, and the factor by which a photograph was shrunk
    is rounded to powers of the square root of two. Operators that hold other values for each pixel, such as drawn
    wear, stay those of the picture.
    """
    whole, own, place = observation.whole, observation.degradation, observation.geometry
    if place.placement == "framed" or any(_holds_other_pixels(link) for link in whole.operators()):
        return own
    at_prior = observation.simulated and observation.clean is None
    factor = 1.0 if at_prior else shrink_factor(place.box, (place.resolution,) * 2)
    factor = 2 ** (round(STEPS * math.log2(factor)) / STEPS)

    def fit(link: Degradation) -> Degradation:
        if not isinstance(link, Inpaint) or link.missing is None:
            return link.scaled(factor)
        shown = own.unobserved((place.resolution, place.resolution))
        if shown is None:
            return degradations.Identity()
        share = float(shown.float().mean())
        return RandomHoles(next(s for s in SHARES if s >= min(share, SHARES[-1])))

    return whole.replace_links(fit) if isinstance(whole, degradations.Chain) else fit(whole)


def _holds_other_pixels(link: Degradation) -> bool:
    """Return whether an operator holds a tensor of a picture's size that is not the mask of missing pixels."""
    return any(buffer.numel() > 1 for buffer in link.buffers()) and not isinstance(link, Inpaint)
