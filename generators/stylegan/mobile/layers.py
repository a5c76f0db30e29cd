"""The layers of MobileStyleGAN: modulated separable convolutions, inverse Haar transforms, and the colours."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.nn.equalised import EqualisedLayer
from generators.nn.weight_cache import WeightCache
from generators.stylegan.averaging import average_kernel
from generators.stylegan.fused_operations import SLOPE, RowwiseConv1x1
from generators.stylegan.mobile.separable_conv import BANDS, SMALLEST, SeparableConv
from generators.stylegan.ops import to_channels_last, to_map_shape

# How each of the four pixels of a square is made of the average and the differences between rows, columns, diagonals.
HAAR = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))


class Modulation(EqualisedLayer, nn.Module):
    """Affine map from w (N, w_dim) to scales (N, channels): ``gain (w A^T + b)``."""

    def __init__(self, w_dim: int, channels: int, gain: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, w_dim) / math.sqrt(3 * w_dim))
        self.bias = nn.Parameter(torch.ones(channels))
        self.gain = gain

    def weight_gains(self) -> dict[str, float]:
        return {"weight": self.gain, "bias": self.gain}

    def forward(self, w: Tensor) -> Tensor:
        with torch.autocast(w.device.type, enabled=False):
            w = w.to(self.weight.dtype)
            return torch.addmm(self.bias, w, self.weight.t(), beta=self.gain, alpha=self.gain)


class ModulatedConv(nn.Module):
    """Modulated convolution with a fixed noise map, bias and leaky ReLU.

    Args:
        cin: input channels.
        cout: output channels.
        w_dim: size of w.
        side: of the map in pixels.
        separable: whether it is a depthwise 3x3 convolution and a 1x1 convolution, or one 3x3 convolution.
    """

    def __init__(self, cin: int, cout: int, w_dim: int, side: int, separable: bool = True):
        super().__init__()
        self.affine = Modulation(w_dim, cin, 1 / math.sqrt(9 * cin))
        if separable:
            self.depthwise = Depthwise(cin)
        self.weight = nn.Parameter(torch.randn(cout, cin, *((1, 1) if separable else (3, 3))))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.register_buffer("noise", torch.zeros(1, 1, side, side))

    def forward(self, x: Tensor, up: Tensor | None = None, scale: Tensor | None = None, halvings: int = 0) -> Tensor:
        """Map x (N, cin, h, w) to (N, cout, h, w), or x (N, 4 cin, h / 2, w / 2) after enlarging it.

        Args:
            x: feature map; where it is not enlarged, already multiplied by the layer's own scales.
            up: scales of a map that is enlarged, those of the layer included, (N, 4 cin); None for none.
            scale: by which the output is multiplied, (N, cout); None for none.
            halvings: how often the map was averaged over squares of two pixels; the result is then close to averages.
        """
        noise = F.avg_pool2d(self.noise, 2**halvings) if halvings else self.noise
        is_separable = hasattr(self, "depthwise")
        if is_separable and x.device.type == "cpu" and not any(p.requires_grad for p in self.parameters()):
            return self._by_lines(x, up, scale, noise, halvings)
        if up is not None:
            x = invert_haar(x * to_map_shape(up, x))
        if is_separable:
            x = F.conv2d(x, average_kernel(self.depthwise.weight, halvings), padding=1, groups=x.shape[1])
        y = F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        y = F.leaky_relu(y + noise.to(y.dtype), SLOPE)
        return y if scale is None else y * to_map_shape(scale, y)

    def _by_lines(self, x: Tensor, up: Tensor | None, scale: Tensor | None, noise: Tensor, halvings: int) -> Tensor:
        """Compute the same in less time, with frozen weights on a CPU."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        up, scale = (None if s is None else s.to(dtype) for s in (up, scale))
        if scale is not None:
            scale = torch.where(scale.abs() < SMALLEST, SMALLEST, scale)
        weights = self.weight[:, :, 0, 0], self.bias, noise
        with torch.autocast("cpu", enabled=False):
            kernel = self.depthwise.get_derived(
                f"channels last, {halvings} halvings", lambda weight: to_channels_last(average_kernel(weight, halvings))
            )
            x = to_channels_last(x.to(dtype))
            return SeparableConv.apply(x, up, kernel.to(dtype), *(weight.to(dtype) for weight in weights), scale)


class Depthwise(WeightCache, nn.Module):
    """Weights of a 3x3 convolution of each channel by itself."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 1, 3, 3))


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def haar_matrix(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the inverse Haar transform of a square, (4 pixels, 4 bands); kept, since every transfer waits."""
    return torch.tensor(HAAR, dtype=dtype, device=device) / 2


def invert_haar(x: Tensor) -> Tensor:
    """Return the inverse Haar transform: (N, 4 C, h, w), band by band, to (N, C, 2h, 2w)."""
    pixels = torch.einsum("pb,nbchw->ncphw", haar_matrix(x.dtype, x.device), x.unflatten(1, (BANDS, -1)))
    return F.pixel_shuffle(pixels.flatten(1, 2), 2)


class Block(nn.Module):
    """The layers of one resolution.

    Args:
        cin: input channels, None at 4 px, where the map that enters is the constant.
        cout: output channels.
        w_dim: size of w.
        side: in pixels.
    """

    def __init__(self, cin: int | None, cout: int, w_dim: int, side: int):
        super().__init__()
        if cin is None:
            self.const = nn.Parameter(torch.randn(cout, 4, 4))
            self.conv1 = ModulatedConv(cout, cout, w_dim, side, separable=False)
            self.slots = 1
        else:
            self.up = Modulation(w_dim, cin, 1.0)
            self.conv1 = ModulatedConv(cin // BANDS, cout, w_dim, side)
            self.conv2 = ModulatedConv(cout, cout, w_dim, side)
            self.slots = 3

    def forward(self, x: Tensor, w: Tensor, halvings: int = 0) -> Tensor:
        """Apply the block.

        Args:
            x: the map that enters.
            w: one for each layer that reads it, (N, slots, w_dim).
            halvings: 0, or how often the result is averaged over squares of two pixels; x then has the size of the
                result, and the first halving leaves its differences out.
        """
        if self.slots == 1:
            return self.conv1(x * to_map_shape(self.conv1.affine(w[:, 0]), x))
        # A scale of the enlarged map is a scale of each of its four bands.
        up = self.up(w[:, 0]) * self.conv1.affine(w[:, 1]).repeat(1, BANDS)
        scale = self.conv2.affine(w[:, 2])
        if not halvings:
            return self.conv2(self.conv1(x, up, scale))
        # The inverse Haar transform halves the averages.
        count = x.shape[1] // BANDS
        x = x[:, :count] * to_map_shape(up[:, :count] / 2, x)
        return self.conv2(self.conv1(x, None, scale, halvings), halvings=halvings)


class ToPicture(nn.Module):
    """Modulated 1x1 convolution to the Haar coefficients of the three colours, (N, C, h, w) to (N, 12, h, w)."""

    def __init__(self, cin: int, w_dim: int):
        super().__init__()
        self.affine = Modulation(w_dim, cin, 1 / math.sqrt(cin))
        self.weight = nn.Parameter(torch.randn(3 * BANDS, cin, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3 * BANDS))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Return pixels (N, 12, h, w), four for each colour; see ``F.pixel_shuffle``.

        The inverse Haar transform is linear, hence part of the few weights.
        """
        with torch.autocast(x.device.type, enabled=False):
            own = self.weight[:, :, 0, 0] * self.affine(w)[:, None]  # (N, 12, C)
            weights = self._invert_haar(own.flatten(2))
            bias = self._invert_haar(self.bias[None, :, None])
        return RowwiseConv1x1.apply(x, weights.to(x.dtype)).to(weights.dtype) + bias[..., None]

    def _invert_haar(self, coefficients: Tensor) -> Tensor:
        """Map (N, 12, k), band by band, to (N, 12, k), the four pixels of each colour in turn."""
        haar = haar_matrix(coefficients.dtype, coefficients.device)
        return torch.einsum("pb,nbck->ncpk", haar, coefficients.unflatten(1, (BANDS, 3))).flatten(1, 2)
