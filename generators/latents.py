"""Specifications of a generator's inputs, and how latents and labels are sampled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generators.errors import ClassError, TruncationError


@dataclass(frozen=True)
class LatentSpec:
    """Specification of one input of a generator.

    Attributes:
        name: its key in the dictionary of latents.
        chart: the space that it lives in: "z", "class", "w", "noise", ...
        shape: of one row.
        optimisable: whether gradients reach it (they do not reach integer labels).
        sampled: whether ``sample`` draws it. The others come from ``convert``, or replace what the network stores
            (noise maps).
    """

    name: str
    chart: str
    shape: tuple[int, ...]
    optimisable: bool = True
    sampled: bool = True


RandomStreams = torch.Generator | Sequence[torch.Generator] | None


def sample_normal(n: int, size: int, truncation: float, generator: RandomStreams) -> Tensor:
    """Sample standard normal values, optionally truncated.

    Without truncation z ~ N(0, I). For ``truncation`` t < 1, values are drawn from N(0, 1) restricted to [-2, 2] and
    multiplied by t (Brock et al. 2019, section 3.1).

    Args:
        n: number of rows.
        size: values in a row.
        truncation: at most 1.
        generator: one random stream for all rows, or a list of n, one for each row.

    Returns:
        (n, size) float32 on the CPU.

    Raises:
        TruncationError: the truncation exceeds 1.
        ValueError: the number of streams is not n.
    """
    if truncation > 1:
        raise TruncationError(f"got truncation {truncation:g}, expected at most 1: this network truncates z itself")
    if isinstance(generator, Sequence):
        if len(generator) != n:
            raise ValueError(f"got {len(generator)} random generators for {n} rows; give one, or one a row")
        return torch.cat([sample_normal(1, size, truncation, g) for g in generator])
    if truncation == 1:
        return torch.randn(n, size, generator=generator)
    # Inverse transform sampling uses a fixed number of draws; rejection would make rows depend on each other.
    edge = math.erf(2 / math.sqrt(2))
    uniform = torch.rand(n, size, generator=generator, dtype=torch.float64) * 2 - 1
    return (torch.erfinv(uniform * edge) * math.sqrt(2) * truncation).float()


def sample_labels(n: int, classes: int, generator: RandomStreams) -> Tensor:
    """Sample class labels (n,) int64, uniformly; ``generator`` as in ``sample_normal``."""
    if isinstance(generator, Sequence):
        return torch.cat([sample_labels(1, classes, g) for g in generator])
    return torch.randint(classes, (n,), generator=generator)


def choose_labels(n: int, classes: int | Tensor | None, count: int, generator: RandomStreams) -> Tensor:
    """Return class labels (n,) int64: uniform over ``count`` classes, or those that are given.

    Args:
        n: number of rows.
        classes: None (uniform), one class for all rows, or one for each row.
        count: number of classes.
        generator: as in ``sample_normal``.

    Raises:
        ClassError: a class is out of range, or their number is not n.
    """
    if classes is None:
        classes = sample_labels(n, count, generator)
    labels = torch.as_tensor(classes)
    if labels.shape not in ((), (n,)):
        raise ClassError(f"got classes of shape {tuple(labels.shape)} for {n} rows; give one class, or one a row")
    wrong = labels[(labels < 0) | (labels >= count)].flatten()
    if len(wrong):
        raise ClassError(f"got class {wrong[0].item()}, expected 0 to {count - 1}")
    return labels.expand(n)
