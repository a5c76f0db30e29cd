"""Gaussians of w before the last nonlinearity of the mapping network: entries independent (PULSE), or correlated."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.statistics.moments import principal_axes

SLOPE = 0.2  # of the mapping network's last leaky ReLU
LEAST_STD = 1e-3  # of the largest; smaller deviations are those of rounding, and dividing by them would amplify it


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Diagonal Gaussian of w before the mapping network's last leaky ReLU (Menon et al. 2020; PULSE's code).

    Attributes:
        mean: (w_dim,) float32.
        std: (w_dim,) float32.
    """

    mean: Tensor
    std: Tensor
    _on_device: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

    def _parameters_like(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mean, std) in the precision and on the device of x; cached, since every transfer waits."""
        key = x.dtype, x.device
        if key not in self._on_device:
            self._on_device[key] = self.mean.to(x), self.std.to(x)
        return self._on_device[key]

    def to_w(self, x: Tensor) -> Tensor:
        """Map x (..., w_dim), standard normal, to w: ``leaky_relu(x * std + mean, 0.2)``."""
        mean, std = self._parameters_like(x)
        return F.leaky_relu(x * std + mean, SLOPE)

    def from_w(self, w: Tensor) -> Tensor:
        """Map w (..., w_dim) back to x: the inverse of ``to_w``."""
        mean, std = self._parameters_like(w)
        return (F.leaky_relu(w, 1 / SLOPE) - mean) / std

    def __repr__(self) -> str:
        return f"Gaussian of w {tuple(self.mean.shape)} before the last leaky ReLU"


@dataclass(frozen=True, eq=False)
class CorrelatedGaussian:
    """Gaussian of w before the mapping network's last leaky ReLU, with correlations (Zhu et al. 2020, P_N space).

    Attributes:
        mean: (w_dim,) float32.
        directions: (w_dim, w_dim) float32, orthonormal rows: the principal components.
        std: (w_dim,) float32, along them.
    """

    mean: Tensor
    directions: Tensor
    std: Tensor
    _on_device: dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of_covariance(cls, mean: Tensor, covariance: Tensor) -> CorrelatedGaussian:
        """Return the Gaussian of a mean (w_dim,) and a covariance (w_dim, w_dim)."""
        std, directions = principal_axes(covariance)
        return cls(mean.float(), directions.float(), std.clamp_min(LEAST_STD * std.max()).float())

    def _parameters_like(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return (mean, directions, std) in the precision and on the device of x, cached: every transfer waits."""
        key = x.dtype, x.device
        if key not in self._on_device:
            self._on_device[key] = tuple(value.to(x) for value in (self.mean, self.directions, self.std))
        return self._on_device[key]

    def to_w(self, x: Tensor) -> Tensor:
        """Map x (..., w_dim), standard normal, to w: ``leaky_relu((x * std) @ directions + mean, 0.2)``."""
        mean, directions, std = self._parameters_like(x)
        return F.leaky_relu((x * std) @ directions + mean, SLOPE)

    def from_w(self, w: Tensor) -> Tensor:
        """Map w (..., w_dim) back to x: the inverse of ``to_w``."""
        mean, directions, std = self._parameters_like(w)
        return ((F.leaky_relu(w, 1 / SLOPE) - mean) @ directions.T) / std

    def __repr__(self) -> str:
        return f"Gaussian of w {tuple(self.mean.shape)} before the last leaky ReLU, with correlations"
