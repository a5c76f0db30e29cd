"""How much of an observation a prediction leaves unexplained, and how much of that noise alone would leave."""

from __future__ import annotations

import torch
from torch import Tensor

from dgp.losses.prediction import OperatorGroup, Prediction


@torch.no_grad()
def measure_residual(prediction: Prediction) -> Tensor:
    """Return the mean of (phi(x) - y)^2 over what was observed, by weight, (N,)."""
    return prediction.assemble([(group.rows, _residual(group)) for group in prediction.groups])


@torch.no_grad()
def expect_residual(prediction: Prediction) -> Tensor:
    """Return the mean square that the stated noise has, (N,); NaN where the degradation states none."""
    return prediction.assemble([(group.rows, _noise_floor(group)) for group in prediction.groups])


def _residual(group: OperatorGroup) -> Tensor:
    counts = torch.ones_like(group.y) if group.weight is None else group.weight.expand_as(group.y)
    if group.missing is not None:
        counts = counts * ~group.missing
    squares = (group.prediction - group.y).square() * counts
    return squares.flatten(1).sum(1) / counts.flatten(1).sum(1)


def _noise_floor(group: OperatorGroup) -> Tensor:
    noise = group.operator.noise
    stated = None if noise is None else noise.mean_square(group.prediction)
    return group.prediction.new_full((len(group.rows),), torch.nan) if stated is None else stated
