"""StyleGAN2's generator in the form of rosinality's release, written from its description.

Everything that determines its cost is kept: each row has its own modulated and demodulated weights and is a group of
the convolution; resampling inserts zeros, pads, and convolves each channel separately; all parameters are in the graph.
Parameters have the names of the release, so that its checkpoints can be loaded.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GAIN = math.sqrt(2)


def channels_of(size: int, multiplier: int) -> dict[int, int]:
    """Return the number of channels of each resolution up to `size`."""
    widths = {4: 512, 8: 512, 16: 512, 32: 512}
    widths |= {side: 16384 // side * multiplier for side in (64, 128, 256, 512, 1024)}
    return {side: width for side, width in widths.items() if side <= size}


def resample(x: Tensor, kernel: Tensor, up: int, before: int, after: int) -> Tensor:
    """Insert `up` - 1 zeros after each value, pad, and filter each channel as a separate picture."""
    n, c, h, w = x.shape
    x = x.reshape(n * c, 1, h, 1, w, 1)
    x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1)).reshape(n * c, 1, h * up, w * up)
    x = F.pad(x, (before, after, before, after))
    x = F.conv2d(x, kernel.flip(0, 1)[None, None])
    return x.reshape(n, c, *x.shape[2:])


def filter_of(gain: float) -> Tensor:
    """Return the binomial filter (1, 3, 3, 1) in two dimensions, with a gain."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64 * gain


class Equalised(nn.Module):
    """A linear layer with equalised learning rate.

    Args:
        inputs: number of inputs.
        outputs: number of outputs.
        rate: factor of the stored weight and bias.
        bias: initial bias.
        active: apply the leaky ReLU with its gain.
    """

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, bias: float = 0.0, active: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.rate, self.active = rate, active

    def forward(self, x):
        weight = self.weight * (self.rate / math.sqrt(self.weight.shape[1]))
        if not self.active:
            return F.linear(x, weight, self.bias * self.rate)
        return F.leaky_relu(F.linear(x, weight) + self.bias * self.rate, 0.2) * GAIN


class Normalise(nn.Module):
    def forward(self, z):
        return z * torch.rsqrt(z.pow(2).mean(1, keepdim=True) + 1e-8)


class Blur(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", filter_of(4))

    def forward(self, x):
        return resample(x, self.kernel, 1, 1, 1)


class Upsample(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", filter_of(4))

    def forward(self, x):
        return resample(x, self.kernel, 2, 2, 1)


class ModulatedConv(nn.Module):
    def __init__(self, cin: int, cout: int, side: int, w_dim: int, demodulate: bool = True, up: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, cout, cin, side, side))
        self.modulation = Equalised(w_dim, cin, bias=1.0)
        self.demodulate = demodulate
        if up:
            self.blur = Blur()

    def forward(self, x, w):
        n, cin, h, width = x.shape
        _, cout, _, side, _ = self.weight.shape
        style = self.modulation(w).view(n, 1, cin, 1, 1)
        weight = self.weight * (1 / math.sqrt(cin * side * side)) * style
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.pow(2).sum((2, 3, 4)) + 1e-8).view(n, cout, 1, 1, 1)
        x = x.reshape(1, n * cin, h, width)
        if hasattr(self, "blur"):
            weight = weight.transpose(1, 2).reshape(n * cin, cout, side, side)
            x = F.conv_transpose2d(x, weight, stride=2, groups=n)
            return self.blur(x.view(n, cout, *x.shape[2:]))
        x = F.conv2d(x, weight.view(n * cout, cin, side, side), padding=side // 2, groups=n)
        return x.view(n, cout, *x.shape[2:])


class Noise(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x, noise):
        return x + self.weight * noise


class Activate(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return F.leaky_relu(x + self.bias.view(1, -1, 1, 1), 0.2) * GAIN


class StyledConv(nn.Module):
    def __init__(self, cin: int, cout: int, w_dim: int, up: bool = False):
        super().__init__()
        self.conv = ModulatedConv(cin, cout, 3, w_dim, up=up)
        self.noise, self.activate = Noise(), Activate(cout)

    def forward(self, x, w, noise):
        return self.activate(self.noise(self.conv(x, w), noise))


class ToRGB(nn.Module):
    def __init__(self, cin: int, w_dim: int, up: bool = True):
        super().__init__()
        self.conv = ModulatedConv(cin, 3, 1, w_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if up:
            self.upsample = Upsample()

    def forward(self, x, w, skip=None):
        colours = self.conv(x, w) + self.bias
        return colours if skip is None else colours + self.upsample(skip)


class Generator(nn.Module):
    """The generator.

    Args:
        channels: number of channels of each resolution.
        w_dim: dimension of w.
        layers: number of layers of the mapping network.
    """

    def __init__(self, channels: dict[int, int], w_dim: int = 512, layers: int = 8):
        super().__init__()
        self.style = nn.Sequential(Normalise(), *(Equalised(w_dim, w_dim, 0.01, active=True) for _ in range(layers)))
        self.input = nn.Module()
        self.input.input = nn.Parameter(torch.randn(1, channels[4], 4, 4))
        self.conv1, self.to_rgb1 = StyledConv(channels[4], channels[4], w_dim), ToRGB(channels[4], w_dim, up=False)
        self.convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        for side, width in channels.items():
            if side > 4:
                self.convs.append(StyledConv(channels[side // 2], width, w_dim, up=True))
                self.convs.append(StyledConv(width, width, w_dim))
                self.to_rgbs.append(ToRGB(width, w_dim))
        sides = [4, *(side for side in channels if side > 4 for _ in range(2))]
        for j, side in enumerate(sides):
            self.noises.register_buffer(f"noise_{j}", torch.randn(1, 1, side, side))

    def forward(self, w, noises=None):
        """Generate pictures from w (N, layers, w_dim); `noises` are the stored maps by default."""
        if noises is None:
            noises = [getattr(self.noises, f"noise_{j}") for j in range(len(self.convs) + 1)]
        x = self.conv1(self.input.input.repeat(len(w), 1, 1, 1), w[:, 0], noises[0])
        picture = self.to_rgb1(x, w[:, 1])
        for k, colours in enumerate(self.to_rgbs):
            i = 2 * k + 1
            x = self.convs[2 * k](x, w[:, i], noises[i])
            x = self.convs[2 * k + 1](x, w[:, i + 1], noises[i + 1])
            picture = colours(x, w[:, i + 2], picture)
        return picture
