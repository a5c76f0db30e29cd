"""The layers of StyleGAN2 (Karras et al. 2020), ordered for speed.

Instead of the weights, modulation scales the input of a convolution and demodulation its output (appendix B), so that
frozen weights need no gradient and are the same for all rows. Maps are channels-last: on a CPU, resampling filters and
convolutions are up to several times faster so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.nn.equalised import EqualisedLayer
from generators.nn.weight_cache import WeightCache
from generators.stylegan.averaging import average_enlarging_kernel, average_kernel
from generators.stylegan.fused_operations import SLOPE, FusedActivation, RowwiseConv1x1, ScaleChannels

GAIN = math.sqrt(2)
DEMODULATION_EPS = 1e-8


class Dense(EqualisedLayer, nn.Module):
    """Equalised linear layer: ``y = rate * (x W^T / sqrt(inputs) + bias)``.

    Args:
        inputs: size of an input row.
        outputs: size of an output row.
        rate: learning rate multiplier.
        bias: initial value.
    """

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, bias: float = 0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.rate = rate

    def weight_gains(self) -> dict[str, float]:
        return {"weight": self.rate / math.sqrt(self.weight.shape[1]), "bias": self.rate}

    def forward(self, x: Tensor) -> Tensor:
        """Map x (..., inputs) to (..., outputs)."""
        rows = x.reshape(-1, x.shape[-1])
        gains = self.weight_gains()
        y = torch.addmm(self.bias, rows, self.weight.t(), beta=gains["bias"], alpha=gains["weight"])
        return y.unflatten(0, x.shape[:-1])


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU (slope 0.2) times sqrt(2), which preserves the variance."""
    return F.leaky_relu(x, SLOPE) * GAIN


@contextmanager
def without_autocast_on_cpu(x: Tensor) -> Iterator[tuple[Tensor, torch.dtype]]:
    """Yield (x, its dtype), on a CPU in float32 and without autocast.

    Depthwise filters with a stride take twenty times as long in bfloat16 on a CPU.
    """
    if x.device.type != "cpu":
        yield x, x.dtype
        return
    with torch.autocast("cpu", enabled=False):
        yield x.to(torch.promote_types(x.dtype, torch.float32)), x.dtype


class Fir:
    """Separable resampling by two.

    Args:
        taps: of the filter, an even number; (1, 3, 3, 1) in all published networks.
    """

    def __init__(self, taps: tuple[float, ...]):
        self.taps, self.half = taps, len(taps) // 2
        self._kernels: dict[tuple, Tensor] = {}

    def blur_after_upsampling(self, x: Tensor) -> Tensor:
        """Filter the output of a transposed convolution: (N, C, 2h + 1, 2w + 1) -> (N, C, 2h, 2w)."""
        return F.conv2d(x, self._kernel(x, 4.0), padding=self.half - 1, groups=x.shape[1])

    def blur_before_downsampling(self, x: Tensor) -> Tensor:
        """Filter the input of a 3x3 convolution with stride 2: (N, C, 2h, 2w) -> (N, C, 2h + 1, 2w + 1)."""
        return F.conv2d(x, self._kernel(x, 1.0), padding=self.half, groups=x.shape[1])

    def upsample(self, x: Tensor) -> Tensor:
        """Double the size: (N, C, h, w) -> (N, C, 2h, 2w)."""
        with without_autocast_on_cpu(x) as (x, dtype):
            kernel = self._kernel(x, 4.0, transposed=True)
            return F.conv_transpose2d(x, kernel, stride=2, padding=self.half - 1, groups=x.shape[1]).to(dtype)

    def downsample(self, x: Tensor) -> Tensor:
        """Halve the size: (N, C, 2h, 2w) -> (N, C, h, w)."""
        with without_autocast_on_cpu(x) as (x, dtype):
            kernel = self._kernel(x, 1.0)
            return F.conv2d(x, kernel, stride=2, padding=self.half - 1, groups=x.shape[1]).to(dtype)

    def _kernel(self, x: Tensor, gain: float, transposed: bool = False) -> Tensor:
        """Return the kernel (C, 1, taps, taps), cached for each kind of map."""
        key = x.shape[1], x.dtype, x.device, gain, transposed
        if key not in self._kernels:
            with torch.inference_mode(False), torch.no_grad():
                taps = torch.tensor(self.taps, dtype=torch.float64)
                kernel = gain * torch.outer(taps, taps) / taps.sum() ** 2
                if not transposed:  # F.conv2d computes a correlation
                    kernel = kernel.flip(0, 1)
                kernel = kernel.to(x.device, x.dtype).expand(x.shape[1], 1, -1, -1)
                self._kernels[key] = kernel.contiguous(memory_format=torch.channels_last)
        return self._kernels[key]


def to_channels_last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)


def transpose_weight(weight: Tensor) -> Tensor:
    return weight.transpose(0, 1).contiguous(memory_format=torch.channels_last)


def sum_squares(weight: Tensor) -> Tensor:
    """Return the squares summed over the window, (O, I)."""
    return weight.square().sum((2, 3))


@dataclass(frozen=True)
class Style:
    """Scales of a modulated convolution.

    Attributes:
        s: of the input, (N, I), or (N, O, I) where each filter has its own.
        d: demodulation of the output, (N, O).
    """

    s: Tensor
    d: Tensor

    @property
    def per_filter(self) -> bool:
        """Whether each filter has its own scales."""
        return self.s.ndim == 3


def to_map_shape(scales: Tensor, x: Tensor) -> Tensor:
    """Reshape (N, C) to (N, C, 1, 1), in the precision of x."""
    return scales.to(x.dtype)[:, :, None, None]


def convolve(x: Tensor, weight: Tensor, enlarges: bool) -> Tensor:
    """Apply a convolution that keeps the size, or a transposed one of stride 2."""
    return F.conv_transpose2d(x, weight, stride=2) if enlarges else F.conv2d(x, weight, padding=weight.shape[-1] // 2)


class Modulated(EqualisedLayer, WeightCache, nn.Module):
    """Convolution whose weights are scaled by a style.

    With s = affine(style): for a style (N, w_dim) ``W'[o, i] = W[o, i] s[i]``; for (N, O, w_dim), one style for each
    filter, ``W'[o, i] = W[o, i] s_o[i]`` (Poirier-Ginter and Lalonde 2023, section 3.2).
    """

    def __init__(self, cin: int, cout: int, kernel: int, w_dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.affine = Dense(w_dim, cin, bias=1.0)

    def weight_gains(self) -> dict[str, float]:
        """Return the gain of the weight.

        Demodulation normalises filters, which scales weights of unit variance by this.
        """
        return {"weight": 1 / math.sqrt(math.prod(self.weight.shape[1:]))}

    def styles(self, style: Tensor) -> Tensor:
        """Return the scales (N, I) or (N, O, I) of a style."""
        return self.affine(style.to(self.affine.weight.dtype))


class StyledConv(Modulated):
    """Modulated 3x3 convolution with demodulation, noise, bias and activation.

    Args:
        cin: input channels.
        cout: output channels.
        w_dim: size of w.
        side: of the output map in pixels.
        up: the filter of a layer that doubles the size, else None.
        eps: added to the squared norm of a modulated filter.
        clamp: bound of the output, or None.
    """

    def __init__(self, cin: int, cout: int, *, w_dim: int, side: int, up: Fir | None, eps: float, clamp: float | None):
        super().__init__(cin, cout, 3, w_dim)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(side, side))
        self.up, self.eps, self.clamp = up, eps, clamp

    def forward(
        self,
        x: Tensor,
        style: Style,
        noise: Tensor | None,
        *,
        gain: float = 1.0,
        is_scaled: bool = False,
        next_scale: Tensor | None = None,
        halvings: int = 0,
    ) -> Tensor:
        """Apply the layer.

        Args:
            x: (N, I, h, w).
            style: of ``self.style(w)``.
            noise: (N or 1, 1, H, W), None for the stored map.
            gain: factor of the output.
            is_scaled: whether x is multiplied by the style already.
            next_scale: (N, O), the next layer's scales, by which the output is multiplied; None for none.
            halvings: how often the output is averaged over squares of two pixels; x then has its size, as averages.

        Returns:
            (N, O, H, W).
        """
        gain, enlarges = gain * GAIN, bool(self.up) and not halvings
        weight = self._derive_weight(halvings)
        if style.per_filter:
            own = style.s.transpose(1, 2) if enlarges else style.s
            parts = zip(x.split(1), own.unbind(), strict=True)
            y = torch.cat([convolve(part, weight * s[:, :, None, None], enlarges) for part, s in parts])
        else:
            y = convolve(x if is_scaled else ScaleChannels.apply(x, to_map_shape(style.s, x)), weight, enlarges)
        if enlarges:
            y = self.up.blur_after_upsampling(y)
        noise = self.noise_const[None, None] if noise is None else noise
        if halvings:
            noise = F.avg_pool2d(noise, 2**halvings)
        return FusedActivation.apply(
            y,
            to_map_shape(style.d * gain, y),  # leaky ReLU commutes with a positive factor
            to_map_shape(self.bias[None] * gain, y),
            (noise * (self.noise_strength * gain)).to(y.dtype),
            None if next_scale is None else to_map_shape(next_scale, y),
            None if self.clamp is None else self.clamp * gain / GAIN,
        )

    def style(self, w: Tensor) -> Style:
        """Return the scales for w (N, w_dim) or (N, O, w_dim)."""
        with torch.autocast(w.device.type, enabled=False):
            s = self.styles(w)
            norms = self.get_derived("energy", sum_squares)
            squared = (s.square() * norms).sum(2) if s.ndim == 3 else s.square() @ norms.t()
            return Style(s, torch.rsqrt(squared + self.eps))

    def _derive_weight(self, halvings: int) -> Tensor:
        if halvings:
            return self.get_derived(f"averaged {halvings}", lambda weight: self._average_weight(weight, halvings))
        if self.up:
            return self.get_derived("transposed", transpose_weight)
        return self.get_derived("forward", to_channels_last)

    def _average_weight(self, weight: Tensor, halvings: int) -> Tensor:
        if self.up:
            return to_channels_last(average_enlarging_kernel(weight, self.up.taps, halvings))
        return to_channels_last(average_kernel(weight, halvings))


class ToRGB(Modulated):
    """Modulated 1x1 convolution to colours without demodulation; small enough to give each row its own weights."""

    def __init__(self, cin: int, w_dim: int, clamp: float | None):
        super().__init__(cin, 3, 1, w_dim)
        self.clamp = clamp

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Map x (N, I, h, w) to colours (N, 3, h, w), in the style's precision.

        Args:
            x: feature map.
            style: (N, w_dim), or (N, 3, w_dim) for one style for each filter.
        """
        with torch.autocast(x.device.type, enabled=False):
            s = self.styles(style) / math.sqrt(self.weight.shape[1])
            own = self.weight[:, :, 0, 0] * (s if s.ndim == 3 else s[:, None])
        y = RowwiseConv1x1.apply(x, own.to(x.dtype)).to(own.dtype) + self.bias[:, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)
