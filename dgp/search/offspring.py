"""New latents out of good ones, as evolution strategies make them."""

from __future__ import annotations

import torch
from torch import Tensor

from generators import GeneratorInfo

NOVELTY = 0.3  # deviation of what is drawn anew


def offspring(
    parents: dict[str, Tensor], count: int, info: GeneratorInfo, random: torch.Generator
) -> tuple[dict[str, Tensor], Tensor]:
    """``count`` rows of what the generator draws, out of (m, ...) rows of the same, the best first; and int64 (count,),
    the first parent of each.

    The i-th best is chosen in proportion to 1/i.  Half of the children lie between two parents, half are one with some
    of it drawn anew, so that z stays standard normal; every w lies between.  All else is as in the first parent.
    """
    chances = 1 / torch.arange(1, len(next(iter(parents.values()))) + 1)
    one, other = chances.expand(count, -1).multinomial(min(2, len(chances)), generator=random).T[[0, -1]]
    born = {}
    for name, value in parents.items():
        first, second = value[one.to(value.device)], value[other.to(value.device)]
        chart = next((spec.chart for spec in info.latents if spec.name == name), None)
        if chart == "z":
            fresh = torch.randn(first.shape, generator=random).to(first)
            born[name] = (1 - NOVELTY**2) ** 0.5 * first + NOVELTY * fresh
            born[name][::2] = (first[::2] + second[::2]) / 2**0.5
        else:
            born[name] = (first + second) / 2 if chart == "w" else first
    return born, one
