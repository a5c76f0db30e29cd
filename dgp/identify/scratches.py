"""Random scratches, creases and dust, from which ``-d auto`` learns to recognise them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from degradations import Degradation

MAX_MARKS = 6  # of a picture
UPRIGHT = 0.5  # share of the marks that are nearly parallel to an edge, as on film and folded paper


class RandomScratches(Degradation):
    """Random marks: ``measure`` draws one to six light or dark marks on every row; (N, C, H, W) -> the same shape."""

    def forward(self, x):
        return x

    @torch.no_grad()
    def measure(self, x, generator=None):
        marked = x.clone()
        for number, row in enumerate(marked):
            random = generator[number] if isinstance(generator, Sequence) else generator
            for _ in range(int(torch.randint(1, MAX_MARKS + 1, (), generator=random))):
                draw_mark(row, random)
        return marked


def draw_mark(picture: Tensor, random: torch.Generator | None) -> None:
    """Draw a random mark on a picture (C, H, W), in place: a slightly bent line, or a speck."""
    h, w = picture.shape[-2:]
    side, u = max(h, w), torch.rand(9, generator=random).tolist()
    down = torch.arange(h)[:, None] + 0.5 - u[0] * h
    across = torch.arange(w)[None] + 0.5 - u[1] * w
    angle = (u[2] - 0.5) * (0.3 if u[3] < UPRIGHT else math.pi) + (math.pi / 2 if u[4] < 0.4 else 0)
    along = across * math.cos(angle) + down * math.sin(angle)
    aside = down * math.cos(angle) - across * math.sin(angle) + (u[5] - 0.5) * along.square() / side
    speck = u[6] < 0.15
    wide = (0.012 + 0.02 * u[7]) * side * (2 if speck else 1)
    long = wide if speck else side * (0.2 + u[8])
    inside = (aside.abs() < max(0.5, wide / 2)) & (along.abs() < max(0.5, long))
    tone = torch.rand((), generator=random)
    picture[:, inside] = 1 - 0.5 * tone if u[6] * 7 % 1 < 0.65 else -1 + 0.5 * tone
