"""deepinv's noise models for y in [-1, 1], with random numbers from the given generators only."""

from __future__ import annotations

import math

import torch
from torch import nn

from degradations.errors import PluginError, SpecError, summarize
from degradations.noise.model import GaussianNoise, NoiseModel
from degradations.rows import mean_per_row

SEEDS = 8  # samples from which the mean square is estimated


def convert_noise(model: nn.Module) -> NoiseModel | None:
    """Convert a noise model of deepinv to a ``NoiseModel``; None for one that adds no noise.

    Raises:
        SpecError: a GaussianNoise with several values of sigma.
    """
    kind = type(model).__name__
    if kind == "ZeroNoise":
        return None
    if kind != "GaussianNoise":
        return DeepinvNoise(model)
    if model.sigma.numel() != 1:
        raise SpecError(f"deepinv's GaussianNoise has {model.sigma.numel()} values of sigma; give one for all rows")
    sigma = float(model.sigma)
    return GaussianNoise(2 * sigma) if sigma > 0 else None


class DeepinvNoise(NoiseModel):
    """Any noise model of deepinv, applied to ``(y + 1) / 2``.

    Its mean square is measured, and ``nll`` is that of a Gaussian with this mean square.
    """

    depends_on_level = True  # unlike that of Gaussian noise, its formula may use the brightness

    def __init__(self, model: nn.Module):
        self.model = model

    def sample(self, y, generator=None):
        """Add noise; one seed for each row is drawn from the generator, and deepinv draws the rest from it."""
        one_each = isinstance(generator, list | tuple)
        seeds = [
            int(torch.randint(2**62, (), generator=generator[i] if one_each else generator)) for i in range(len(y))
        ]
        return torch.cat([self._draw(y[i : i + 1], seed) for i, seed in enumerate(seeds)])

    def _draw(self, y, seed: int):
        levels = ((y.detach() + 1) / 2).clamp(0, 1).float().cpu()
        rng, self.model.rng = getattr(self.model, "rng", None), None
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                noisy = self.model(levels)
        except Exception as error:  # third-party code may fail in any way
            raise PluginError(
                f"deepinv's {type(self.model).__name__} raised {summarize(error)}; give it other values"
            ) from error
        finally:
            self.model.rng = rng
        return y + (2 * (noisy - levels)).to(y)

    def mean_square(self, y_hat):
        with torch.no_grad():
            squares = [
                mean_per_row((torch.cat([self._draw(row[None], seed) for row in y_hat]) - y_hat).square())
                for seed in range(SEEDS)
            ]
        return torch.stack(squares).mean(0)

    def nll(self, y_hat, y):
        variance = self.mean_square(y_hat).clamp_min(1e-12)
        return mean_per_row((y - y_hat).square()) / (2 * variance) + (2 * math.pi * variance).log() / 2
