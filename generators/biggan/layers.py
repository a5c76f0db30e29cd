"""The layers that BigGAN's generator and discriminator are made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.spectral_norm import Conv, Linear

INSTANCE_EPS = 1e-5


class Attention(nn.Module):
    """Self-attention over positions (Zhang et al. 2019): keys and values pooled 2x2, no scaling, no biases."""

    def __init__(self, channels: int, singular_values: int, eps: float):
        super().__init__()
        conv = lambda cin, cout: Conv(cin, cout, 1, singular_values, eps, bias=False)  # noqa: E731
        self.theta, self.phi = conv(channels, channels // 8), conv(channels, channels // 8)
        self.g, self.o = conv(channels, channels // 2), conv(channels // 2, channels)
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same."""
        n, _, h, w = x.shape
        query = self.theta(x).flatten(2)
        key = F.max_pool2d(self.phi(x), 2).flatten(2)
        value = F.max_pool2d(self.g(x), 2).flatten(2)
        weights = F.softmax(query.transpose(1, 2) @ key, dim=-1)
        seen = (value @ weights.transpose(1, 2)).view(n, -1, h, w)
        return x + self.gamma * self.o(seen)


class StoredStatistics(nn.Module):
    """Batch normalisation by the statistics that training stored, as a scale and a shift."""

    def __init__(self, channels: int, eps: float):
        super().__init__()
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))
        self.eps = eps

    def scale_and_shift(self, x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        """x (N, C, h, w); gain, bias (N or 1, C). The mean is taken off first: in the shift it would cost digits."""
        scale = gain * torch.rsqrt(self.stored_var + self.eps)
        return (x - self.stored_mean[:, None, None]) * scale[..., None, None] + bias[..., None, None]


class ConditionalNorm(StoredStatistics):
    """Gain and bias depend on the condition: a vector (N, width), or labels (N,) where nothing is shared."""

    def __init__(self, channels: int, width: int | None, classes: int, singular_values: int, eps: float, bn_eps: float):
        super().__init__(channels, bn_eps)
        if width is None:
            self.gain, self.bias = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        else:
            self.gain = Linear(width, channels, singular_values, eps, bias=False)
            self.bias = Linear(width, channels, singular_values, eps, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        return self.scale_and_shift(x, 1 + self.gain(condition), self.bias(condition))


class OutputNorm(StoredStatistics):
    """Unconditional, with gain and bias of its own. Its epsilon is 1e-5 whatever the others use."""

    def __init__(self, channels: int):
        super().__init__(channels, 1e-5)
        self.gain, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale_and_shift(x, self.gain[None], self.bias[None])


def instance_norm(x: Tensor, norm: Tensor) -> Tensor:
    """x (N, C, h, w) whitened by its own mean and biased variance, under norm (N, 2, C): weight and bias."""
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    scale = norm[:, 0] * torch.rsqrt(variance + INSTANCE_EPS)
    return torch.addcmul((norm[:, 1] - mean * scale)[..., None, None], x, scale[..., None, None])


def norm_like(y: Tensor) -> Tensor:
    """(N, 2, C): the instance norm whose output has the spread (unbiased) and mean of y (N, C, h, w)."""
    deviation, mean = torch.std_mean(y, (2, 3), correction=1)
    return torch.stack([deviation, mean], 1)
