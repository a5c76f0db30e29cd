"""How precisely an observation is known, which decides how closely ``merge`` follows it."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.noise.model import ROUNDING, NoiseModel


def compute_noise_floor(noise: NoiseModel | None, y_hat: Tensor) -> Tensor:
    """Return the expected root mean square of y - phi(x) for the true picture: noise and rounding to 8 bits.

    Args:
        noise: the noise model, or None.
        y_hat: phi(x), (N, c, h, w) in [-1, 1].

    Returns:
        (N,), on the scale of [-1, 1].
    """
    stated = None if noise is None else noise.mean_square(y_hat)
    variance = y_hat.new_zeros(len(y_hat)) if stated is None else stated
    return (variance + ROUNDING**2).sqrt()


def compute_precision(noise: NoiseModel | None, y: Tensor) -> Tensor:
    """Return the root mean square error to which y itself is known.

    It is the larger of two: a tenth of the noise, since ``NoiseModel.within`` has already moved y to the edge of what
    the noise explains, and the rounding error of rows whose values all lie on the 256 levels of a file.

    Args:
        noise: the noise model, or None.
        y: the observation, (N, c, h, w) in [-1, 1].

    Returns:
        (N,), on the scale of [-1, 1].
    """
    stated = None if noise is None else noise.mean_square(y)
    levels = (y + 1) * 127.5
    on_levels = ((levels - levels.round()).abs() < 1e-3).flatten(1).all(1)
    rounding = torch.where(on_levels, ROUNDING, 0.0).to(y)
    return rounding if stated is None else torch.maximum(rounding, 0.1 * stated.to(y).sqrt())
