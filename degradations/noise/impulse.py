"""Noise that replaces whole pixels and leaves the others alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from degradations.noise.model import LEVEL, Amount, NoiseModel, as_tensor_like, check_positive, uniform_like
from degradations.rows import expand_rows, mean_per_row

BLACK, WHITE = -1.0, 1.0
SPREAD = 0.05  # how far from phi(x) the likelihood lets an untouched number be, in [-1, 1]
KNEE = 0.1  # from here on an error in a doubtful pixel pulls no harder


class ImpulseNoise(NoiseModel):
    """A share of the pixels, each by itself and in all channels, is black or white instead of what it was.

    Args:
        share: of the pixels, in (0, 1).
        values: what a pixel becomes, each equally often: black and white (salt and pepper), or black alone.
    """

    def __init__(self, share: Amount, values: tuple[float, ...] = (BLACK, WHITE)):
        self.share, self.values = check_positive("share", share), tuple(values)

    def sample(self, y, generator=None):
        share, u = as_tensor_like(self.share, y), uniform_like(y[:, :1], generator)
        which = (u / share * len(self.values)).long().clamp_max(len(self.values) - 1)
        return torch.where(u < share, y.new_tensor(self.values)[which], y)

    def suspects(self, y: Tensor) -> Tensor:
        """(N, 1, h, w) bool: the pixels that are one of the values, to half a level."""
        return torch.stack([((y - v).abs() < LEVEL / 2).all(1, keepdim=True) for v in self.values]).any(0)

    def nll(self, y_hat, y):
        """Of a density over [-1, 1]: a value has the width of a level, and what was left alone a deviation of
        ``SPREAD``."""
        share, c = as_tensor_like(self.share, y_hat), y.shape[1]
        left = -((y - y_hat) / SPREAD).square() / 2 - math.log(SPREAD * math.sqrt(2 * math.pi))
        left = (1 - share).log() + left.sum(1, keepdim=True)
        struck = (share / len(self.values)).log() - c * math.log(LEVEL)
        density = torch.where(self.suspects(y), torch.logaddexp(left, struck.expand_as(left)), left)
        return -mean_per_row(density) / c

    def mean_square(self, y_hat):
        squares = torch.stack([(y_hat - v).square() for v in self.values]).mean(0)
        return mean_per_row(as_tensor_like(self.share, y_hat) * squares)

    def differences(self, y_hat, y):
        """Squares where y is none of the values. Where it is, how far a pixel counts is the chance that it was so
        before: of all suspects in the row the share that noise did not strike; and its error pulls like an absolute
        one, so that those that were struck are outvoted by their surroundings."""
        error, suspect = y_hat - y, self.suspects(y)
        known = expand_rows(mean_per_row(suspect.to(y)).clamp_min(1e-12))
        innocent = 1 - (as_tensor_like(self.share, y_hat).detach() / known).clamp_max(1)
        loose = 2 * KNEE * ((error.square() + KNEE**2).sqrt() - KNEE)
        return torch.where(suspect, innocent * loose, error.square())

    def within(self, y_hat, y):
        """Suspects are as noise may have made them; the others are exact."""
        return torch.where(self.suspects(y), y_hat, y)
