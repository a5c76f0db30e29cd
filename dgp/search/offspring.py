"""Offspring of latents: recombination and mutation, as in evolution strategies."""

from __future__ import annotations

import torch
from torch import Tensor

from generators import GeneratorInfo

NOVELTY = 0.3  # standard deviation of the mutation


def cross(
    parents: dict[str, Tensor], count: int, info: GeneratorInfo, random: torch.Generator
) -> tuple[dict[str, Tensor], Tensor]:
    """Return offspring of latents, each (count, ...), and the first parent of each, int64 (count,).

    The i-th best parent is chosen in proportion to 1/i. Of z, half of the offspring are the mean of two parents scaled
    to unit variance and half are mutations of one, so that z stays standard normal; w is the mean of both parents; all
    else is as in the first parent.

    Args:
        parents: inputs that the generator draws, each (m, ...), the best first.
        count: number of offspring.
        info: which latents are which.
        random: random generator.
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
