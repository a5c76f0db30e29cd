"""Arithmetic on the rows of a batch: one number for each row, and back to the shape of pictures."""

from __future__ import annotations

from torch import Tensor


def mean_per_row(values: Tensor) -> Tensor:
    """Return the mean over all but the leading axis: (N, ...) -> (N,)."""
    return values.flatten(1).mean(1)


def rms_per_row(values: Tensor) -> Tensor:
    """Return the root mean square over all but the leading axis: (N, ...) -> (N,)."""
    return values.flatten(1).square().mean(1).sqrt()


def dot_per_row(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of each row of a with the same row of b: (N, ...) twice -> (N,)."""
    return (a * b).flatten(1).sum(1)


def expand_rows(values: Tensor) -> Tensor:
    """Reshape one number for each row so that it multiplies pictures: (N,) -> (N, 1, 1, 1)."""
    return values[:, None, None, None]
