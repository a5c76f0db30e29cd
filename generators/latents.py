"""What goes into a generator, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.errors import ClassError, TruncationError


@dataclass(frozen=True)
class LatentSpec:
    """One input of a generator.

    name: its key in ``latents``.  chart: "z", "class", ...  shape: of one row.
    optimisable: whether gradients reach it (integer labels are not).  sampled: whether ``sample`` draws it; the others
    are reached by ``convert``, or stand for what the network stores (noise maps).
    """

    name: str
    chart: str
    shape: tuple[int, ...]
    optimisable: bool = True
    sampled: bool = True


RandomStreams = torch.Generator | Sequence[torch.Generator] | None


def sample_normal(n: int, size: int, truncation: float, generator: RandomStreams) -> Tensor:
    """(n, size) float32 on the CPU: standard normal, or for ``truncation`` < 1 its values redrawn into
    ``[-2, 2]`` and scaled by it (Brock et al. 2019, section 3.1).

    generator: one stream for all rows, or a list of n, one a row.  Raises TruncationError for more than 1.
    """
    if truncation > 1:
        raise TruncationError(f"got truncation {truncation:g}, expected at most 1: this network truncates z itself")
    if isinstance(generator, Sequence):
        if len(generator) != n:
            raise ValueError(f"got {len(generator)} random generators for {n} rows; give one, or one a row")
        return torch.cat([sample_normal(1, size, truncation, g) for g in generator])
    if truncation == 1:
        return torch.randn(n, size, generator=generator)
    # Inverse transform of the truncated distribution: a fixed number of draws, whatever the values.
    edge = math.erf(2 / math.sqrt(2))
    uniform = torch.rand(n, size, generator=generator, dtype=torch.float64) * 2 - 1
    return (torch.erfinv(uniform * edge) * math.sqrt(2) * truncation).float()


def sample_labels(n: int, classes: int, generator: RandomStreams) -> Tensor:
    """(n,) int64, uniform; ``generator`` as in ``normal``."""
    if isinstance(generator, Sequence):
        return torch.cat([sample_labels(1, classes, g) for g in generator])
    return torch.randint(classes, (n,), generator=generator)


def choose_labels(n: int, classes: int | Tensor | None, count: int, generator: RandomStreams) -> Tensor:
    """(n,) int64: uniform over ``count`` classes for None, else one class for all, or one a row. Raises ClassError."""
    if classes is None:
        classes = sample_labels(n, count, generator)
    labels = torch.as_tensor(classes)
    if labels.shape not in ((), (n,)):
        raise ClassError(f"got classes of shape {tuple(labels.shape)} for {n} rows; give one class, or one a row")
    wrong = labels[(labels < 0) | (labels >= count)].flatten()
    if len(wrong):
        raise ClassError(f"got class {wrong[0].item()}, expected 0 to {count - 1}")
    return labels.expand(n)
