"""Impulse noise: some pixels are replaced and the others stay unchanged."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from degradations.noise.model import LEVEL, Amount, NoiseModel, as_tensor_like, check_positive, uniform_like
from degradations.rows import expand_rows, mean_per_row

BLACK, WHITE = -1.0, 1.0
SPREAD = 0.05  # standard deviation of y - phi(x) in unchanged pixels, on the scale of [-1, 1]
KNEE = 0.1  # error in a suspect pixel beyond which the loss grows linearly


class ImpulseNoise(NoiseModel):
    """With probability ``share`` a pixel is replaced, in all channels, by one of a few fixed values.

    Args:
        share: of the pixels that are replaced, in (0, 1).
        values: what a pixel may become, all equally likely: black and white (salt and pepper), or black alone.
    """

    def __init__(self, share: Amount, values: tuple[float, ...] = (BLACK, WHITE)):
        self.share, self.values = check_positive("share", share), tuple(values)

    def sample(self, y, generator=None):
        share, u = as_tensor_like(self.share, y), uniform_like(y[:, :1], generator)
        which = (u / share * len(self.values)).long().clamp_max(len(self.values) - 1)
        return torch.where(u < share, y.new_tensor(self.values)[which], y)

    def suspects(self, y: Tensor) -> Tensor:
        """Find the pixels that equal one of the values to within half a level: (N, 1, h, w) bool."""
        return torch.stack([((y - v).abs() < LEVEL / 2).all(1, keepdim=True) for v in self.values]).any(0)

    def nll(self, y_hat, y):
        """Return the negative log of a density on [-1, 1], (N,).

        A replaced pixel is uniform over the width of one level around its value; an unchanged one is normal around
        y_hat with deviation ``SPREAD``.
        """
        share, c = as_tensor_like(self.share, y_hat), y.shape[1]
        unchanged = -((y - y_hat) / SPREAD).square() / 2 - math.log(SPREAD * math.sqrt(2 * math.pi))
        unchanged = (1 - share).log() + unchanged.sum(1, keepdim=True)
        replaced = (share / len(self.values)).log() - c * math.log(LEVEL)
        density = torch.where(self.suspects(y), torch.logaddexp(unchanged, replaced.expand_as(unchanged)), unchanged)
        return -mean_per_row(density) / c

    def mean_square(self, y_hat):
        squares = torch.stack([(y_hat - v).square() for v in self.values]).mean(0)
        return mean_per_row(as_tensor_like(self.share, y_hat) * squares)

    def differences(self, y_hat, y):
        """Return squared differences where y is none of the values, and down-weighted robust ones where it is.

        The weight of a suspect pixel is the probability that it was like this before: the share of the row's suspects
        that the noise does not account for. Its error is charged by a Huber-like loss (quadratic up to ``KNEE``, then
        linear), so that replaced pixels are outvoted by their surroundings.
        """
        error, suspect = y_hat - y, self.suspects(y)
        suspect_share = expand_rows(mean_per_row(suspect.to(y)).clamp_min(1e-12))
        innocent = 1 - (as_tensor_like(self.share, y_hat).detach() / suspect_share).clamp_max(1)
        robust = 2 * KNEE * ((error.square() + KNEE**2).sqrt() - KNEE)
        return torch.where(suspect, innocent * robust, error.square())

    def within(self, y_hat, y):
        """Return y_hat at suspect pixels, which the noise may have replaced, and y elsewhere."""
        return torch.where(self.suspects(y), y_hat, y)
