"""Mean, standard deviation and covariance of a stream of vectors, in constant memory, and principal axes."""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Accumulator of the first two moments, in float64.

    Chunks are merged by the pairwise update of Chan, Golub and LeVeque (1979).

    Args:
        size: entries in a vector.
        products: whether all products of entries are accumulated (for ``covariance``), or only the squares.
    """

    def __init__(self, size: int, products: bool = False):
        self.count = 0
        self.mean = torch.zeros(size, dtype=torch.float64)
        self._squares = torch.zeros((size, size) if products else size, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Add rows (n, size), n > 0."""
        rows = rows.detach().to("cpu", torch.float64)
        mean = rows.mean(0)
        apart, total = mean - self.mean, self.count + len(rows)
        rows = rows - mean
        weight = self.count * len(rows) / total
        if self._squares.ndim == 2:
            self._squares += rows.T @ rows + weight * torch.outer(apart, apart)
        else:
            self._squares += rows.square().sum(0) + weight * apart.square()
        self.mean = self.mean + apart * (len(rows) / total)
        self.count = total

    @property
    def std(self) -> Tensor:
        """(size,), unbiased: the sum of squares is divided by count - 1."""
        squares = self._squares.diagonal() if self._squares.ndim == 2 else self._squares
        return (squares / (self.count - 1)).sqrt()

    @property
    def covariance(self) -> Tensor:
        """(size, size), divided by count - 1."""
        return self._squares / (self.count - 1)


def principal_axes(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Return (standard deviations (size,), decreasing; orthonormal directions (size, size), one a row), float64.

    The sign of a direction is arbitrary; making its largest entry positive fixes it.
    """
    squares, directions = torch.linalg.eigh(covariance.double())
    directions = directions.flip(1).T
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return squares.flip(0).clamp_min(0).sqrt(), directions * largest.sign()
