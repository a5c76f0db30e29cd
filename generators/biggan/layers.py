"""The layers that BigGAN's generator and discriminator are made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.nn.spectral_norm import Conv, Linear

# Which stored statistics each row reads, see `place_of`; None: those of no truncation.
TruncationPosition = tuple[Tensor, Tensor] | None


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
    """Batch normalisation by the statistics that training stored, as a scale and a shift.

    truncations: how many there are of each, evenly from truncation 0 to 1, in rows (truncations, C); 0: one, (C,).
    momentum: of training, where a batch is normalised by its own statistics, which enter the stored ones with this
    share; None: the stored ones are used.
    """

    momentum: float | None = None

    def __init__(self, channels: int, eps: float, truncations: int = 0):
        super().__init__()
        shape = (truncations, channels) if truncations else (channels,)
        self.register_buffer("stored_mean", torch.zeros(shape))
        self.register_buffer("stored_var", torch.ones(shape))
        self.eps = eps

    def scale_and_shift(self, x: Tensor, gain: Tensor, bias: Tensor, position: TruncationPosition = None) -> Tensor:
        """x (N, C, h, w); gain, bias (N or 1, C). The mean is taken off first: in the shift it would cost digits."""
        if self.momentum is not None:
            x = F.batch_norm(x, self.stored_mean, self.stored_var, None, None, True, self.momentum, self.eps)
            return torch.addcmul(bias.to(x.dtype)[..., None, None], x, gain.to(x.dtype)[..., None, None])
        mean, variance = self.at(self.stored_mean, position), self.at(self.stored_var, position)
        scale = gain * torch.rsqrt(variance + self.eps)
        return (x - mean[..., None, None]) * scale[..., None, None] + bias[..., None, None]

    @staticmethod
    def at(stored: Tensor, position: TruncationPosition) -> Tensor:
        """(N, C), those of each row's truncation, or (C,) where there is one set, or no place is given: the last."""
        if stored.ndim == 1:
            return stored
        if position is None:
            return stored[-1]
        step, share = position
        return torch.lerp(stored[step], stored[step + 1], share.to(stored.dtype))


class ConditionalNorm(StoredStatistics):
    """Gain and bias depend on the condition: a vector (N, width), or labels (N,) where nothing is shared."""

    def __init__(
        self,
        channels: int,
        width: int | None,
        classes: int,
        singular_values: int,
        eps: float,
        bn_eps: float,
        truncations: int = 0,
    ):
        super().__init__(channels, bn_eps, truncations)
        if width is None:
            self.gain, self.bias = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        else:
            self.gain = Linear(width, channels, singular_values, eps, bias=False)
            self.bias = Linear(width, channels, singular_values, eps, bias=False)

    def forward(self, x: Tensor, condition: Tensor, position: TruncationPosition = None) -> Tensor:
        return self.scale_and_shift(x, 1 + self.gain(condition), self.bias(condition), position)


class OutputNorm(StoredStatistics):
    """Unconditional, with gain and bias of its own. The published epsilon is 1e-5 whatever the others use."""

    def __init__(self, channels: int, eps: float = 1e-5, truncations: int = 0):
        super().__init__(channels, eps, truncations)
        self.gain, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, position: TruncationPosition = None) -> Tensor:
        return self.scale_and_shift(x, self.gain[None], self.bias[None], position)


def locate_truncation(truncation: Tensor, truncations: int, swapped: bool = False) -> TruncationPosition:
    """Where each truncation (N,) lies among so many stored ones: (the step before it, the share of the step after it).

    swapped: each of the two steps gets the share of the other, as in HuggingFace's implementation; what lies on a step
    in its binary arithmetic, as 0.5 does and 0.58 does not, keeps it.
    """
    # The decimal that was meant: what single precision makes of 0.02 would lie before the step.
    decimal = (truncation.double() * 1e6).round() / 1e6
    position = (decimal.clamp(0, 1) / (1 / (truncations - 1))).clamp(max=truncations - 1)
    step = position.floor().clamp(max=truncations - 2)
    share = position - step
    if swapped:
        share = torch.where((share > 0) & (share < 1), 1 - share, share)
    return step.long(), share[:, None]


def match_instance_norm(y: Tensor) -> Tensor:
    """(N, 2, C): the instance norm whose output has the spread (unbiased) and mean of y (N, C, h, w)."""
    deviation, mean = torch.std_mean(y, (2, 3), correction=1)
    return torch.stack([deviation, mean], 1)
