"""Which classes are drawn, told or refused."""

from __future__ import annotations

import torch
from torch import Tensor

from generators.errors import ClassError
from generators.latents import Generators, random_labels


def labels_of(n: int, classes: int | Tensor | None, count: int, generator: Generators) -> Tensor:
    """(n,) int64: uniform over ``count`` classes for None, else one class for all, or one a row. Raises ClassError."""
    if classes is None:
        classes = random_labels(n, count, generator)
    labels = torch.as_tensor(classes)
    if labels.shape not in ((), (n,)):
        raise ClassError(f"got classes of shape {tuple(labels.shape)} for {n} rows; give one class, or one a row")
    wrong = labels[(labels < 0) | (labels >= count)].flatten()
    if len(wrong):
        raise ClassError(f"got class {wrong[0].item()}, expected 0 to {count - 1}")
    return labels.expand(n)
