"""The layers of BigGAN's generators and discriminators."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.nn.spectral_norm import Conv, Linear

# Which stored statistics each row interpolates, see ``locate_truncation``; None for those without truncation.
TruncationPosition = tuple[Tensor, Tensor] | None


class Attention(nn.Module):
    """Self-attention over positions (Zhang et al. 2019), with 2x2 pooled keys and values, no scaling, no biases.

    y = x + gamma * o(softmax(theta(x)^T phi(x)) g(x))
    """

    def __init__(self, channels: int, singular_values: int, eps: float):
        super().__init__()
        conv = lambda cin, cout: Conv(cin, cout, 1, singular_values, eps, bias=False)  # noqa: E731
        self.theta, self.phi = conv(channels, channels // 8), conv(channels, channels // 8)
        self.g, self.o = conv(channels, channels // 2), conv(channels // 2, channels)
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention to x (N, C, h, w); same shape."""
        n, _, h, w = x.shape
        query = self.theta(x).flatten(2)
        key = F.max_pool2d(self.phi(x), 2).flatten(2)
        value = F.max_pool2d(self.g(x), 2).flatten(2)
        weights = F.softmax(query.transpose(1, 2) @ key, dim=-1)
        seen = (value @ weights.transpose(1, 2)).view(n, -1, h, w)
        return x + self.gamma * self.o(seen)


class StoredStatistics(nn.Module):
    """Batch normalisation with the statistics that training stored, and a scale and shift from outside.

        y = (x - mean) / sqrt(var + eps) * gain + bias

    Args:
        channels: C.
        eps: added to the variance.
        truncations: how many sets of statistics there are, evenly from truncation 0 to 1, (truncations, C) each;
            0 for one set, (C,).

    Attributes:
        momentum: None to use the stored statistics. In training, batches are normalised by their own statistics, which
            are averaged into the stored ones with this weight.
    """

    momentum: float | None = None

    def __init__(self, channels: int, eps: float, truncations: int = 0):
        super().__init__()
        shape = (truncations, channels) if truncations else (channels,)
        self.register_buffer("stored_mean", torch.zeros(shape))
        self.register_buffer("stored_var", torch.ones(shape))
        self.eps = eps

    def scale_and_shift(self, x: Tensor, gain: Tensor, bias: Tensor, position: TruncationPosition = None) -> Tensor:
        """Normalise x (N, C, h, w), and apply gain and bias (N or 1, C).

        The mean is subtracted first: as part of the shift it would cost digits.
        """
        if self.momentum is not None:
            x = F.batch_norm(x, self.stored_mean, self.stored_var, None, None, True, self.momentum, self.eps)
            return torch.addcmul(bias.to(x.dtype)[..., None, None], x, gain.to(x.dtype)[..., None, None])
        mean, variance = self.at(self.stored_mean, position), self.at(self.stored_var, position)
        scale = gain * torch.rsqrt(variance + self.eps)
        return (x - mean[..., None, None]) * scale[..., None, None] + bias[..., None, None]

    @staticmethod
    def at(stored: Tensor, position: TruncationPosition) -> Tensor:
        """Return the statistics of each row's truncation, (N, C).

        Where there is one set, (C,); without a position, the last set, of no truncation.
        """
        if stored.ndim == 1:
            return stored
        if position is None:
            return stored[-1]
        step, share = position
        return torch.lerp(stored[step], stored[step + 1], share.to(stored.dtype))


class ConditionalNorm(StoredStatistics):
    """Batch normalisation whose gain and bias depend on a condition.

    The condition is a vector (N, width), or labels (N,) where there is no shared embedding.
    """

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
    """Batch normalisation with a gain and bias of its own.

    The published epsilon is 1e-5, whatever the other layers use.
    """

    def __init__(self, channels: int, eps: float = 1e-5, truncations: int = 0):
        super().__init__(channels, eps, truncations)
        self.gain, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, position: TruncationPosition = None) -> Tensor:
        return self.scale_and_shift(x, self.gain[None], self.bias[None], position)


def locate_truncation(truncation: Tensor, truncations: int, swapped: bool = False) -> TruncationPosition:
    """Locate truncations among those for which statistics are stored.

    Args:
        truncation: (N,), in [0, 1].
        truncations: number of stored sets, evenly from 0 to 1.
        swapped: whether the two neighbours exchange their weights, as in HuggingFace's implementation. Values that lie
            exactly on a step in its binary arithmetic, as 0.5 does and 0.58 does not, are not affected.

    Returns:
        (index of the step below (N,), weight of the step above (N, 1)).
    """
    # Round to the intended decimal: 0.02 in single precision would lie below its step.
    decimal = (truncation.double() * 1e6).round() / 1e6
    position = (decimal.clamp(0, 1) / (1 / (truncations - 1))).clamp(max=truncations - 1)
    step = position.floor().clamp(max=truncations - 2)
    share = position - step
    if swapped:
        share = torch.where((share > 0) & (share < 1), 1 - share, share)
    return step.long(), share[:, None]


def match_instance_norm(y: Tensor) -> Tensor:
    """Return the instance norm (N, 2, C) whose output has the deviation and mean of y.

    Args:
        y: (N, C, h, w). Its standard deviation is the unbiased one.
    """
    deviation, mean = torch.std_mean(y, (2, 3), correction=1)
    return torch.stack([deviation, mean], 1)
