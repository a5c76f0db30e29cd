"""The generator of MobileStyleGAN (Belousov 2021, arXiv 2104.04767): depthwise convolutions and Haar wavelets.

It is a small network that was trained to draw the pictures of a StyleGAN2. Three things differ from StyleGAN2. The
demodulation does not depend on the style, so that it is part of the stored weights. Maps are enlarged by the inverse
Haar transform: a quarter of the channels holds averages, the rest differences. Colours are computed once, at the end,
as Haar coefficients of the picture.

Channels are kept in the order in which the Haar transform reads them: first the averages, then the differences between
rows, between columns, and between diagonals. The published files interleave the differences.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import GeneratorInfo, ParameterGroup, State
from generators.latents import LatentSpec
from generators.nn.equalised import EqualisedLayer
from generators.stylegan.averaging import average_kernel
from generators.stylegan.fused_operations import SLOPE, RowwiseConv1x1
from generators.stylegan.mapping import Mapping
from generators.stylegan.style_generator import StyleGenerator

BANDS = 4
# Number of sizes at which ``draw`` has coarser pictures, up to half of its own. Of a network of 1024 px, trained
# on faces, they equal averages of the picture at 512 px; at 256, 128 and 64 px they are 34, 30 and 27 dB off.
COARSER = 4
# How each of the four pixels of a square is made of the average and the differences between rows, columns, diagonals.
HAAR = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))


@dataclass(frozen=True)
class MobileStyleGANConfig:
    """Configuration of a MobileStyleGAN generator.

    Attributes:
        channels: of each block, from 4 px on; all but the last divisible by four.
        z_dim: size of z.
        w_dim: size of w.
        mapping_layers: layers of the mapping network.
        mapping_width: their width.
        mapping_rate: learning rate multiplier of the mapping network.
    """

    channels: tuple[int, ...]
    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 8
    mapping_width: int = 512
    mapping_rate: float = 0.01

    @property
    def sides(self) -> tuple[int, ...]:
        return tuple(4 << k for k in range(len(self.channels)))

    @property
    def resolution(self) -> int:
        """Pixels a side: the last block's maps hold Haar coefficients of a picture twice as large."""
        return 2 * self.sides[-1]


class Modulation(EqualisedLayer, nn.Module):
    """Affine map from w (N, w_dim) to scales (N, channels): ``gain (w A^T + b)``."""

    def __init__(self, w_dim: int, channels: int, gain: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, w_dim) / math.sqrt(w_dim))
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
            self.depthwise = nn.Parameter(torch.randn(cin, 1, 3, 3))
        self.weight = nn.Parameter(torch.randn(cout, cin, *((1, 1) if separable else (3, 3))))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.register_buffer("noise", torch.zeros(1, 1, side, side))

    def forward(self, x: Tensor, scale: Tensor | None, halvings: int = 0) -> Tensor:
        """Map x (N, cin, h, w), already multiplied by the layer's own scales, to (N, cout, h, w).

        Args:
            x: feature map.
            scale: by which the output is multiplied, (N, cout), or None.
            halvings: how often the map was averaged over squares of two pixels; the result is then close to averages.
        """
        noise = self.noise.to(x.dtype)
        if halvings:
            noise = F.avg_pool2d(noise, 2**halvings)
        if hasattr(self, "depthwise"):
            x = F.conv2d(x, average_kernel(self.depthwise, halvings), padding=1, groups=x.shape[1])
        y = F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)
        y = F.leaky_relu(y + noise, SLOPE)
        return y if scale is None else y * scale.to(y.dtype)[:, :, None, None]


def invert_haar(x: Tensor) -> Tensor:
    """Return the inverse Haar transform: (N, 4 C, h, w), band by band, to (N, C, 2h, 2w)."""
    bands = x.unflatten(1, (BANDS, -1))
    haar = x.new_tensor(HAAR) / 2
    pixels = torch.einsum("pb,nbchw->ncphw", haar, bands)
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
            return self.conv1(x * self.conv1.affine(w[:, 0]).to(x.dtype)[:, :, None, None], None)
        # A scale of the enlarged map is a scale of each of its four bands.
        scale = self.up(w[:, 0]) * self.conv1.affine(w[:, 1]).repeat(1, BANDS)
        if halvings:
            # The inverse Haar transform halves the averages.
            count = x.shape[1] // BANDS
            x, scale = x[:, :count], scale[:, :count] / 2
        x = x * scale.to(x.dtype)[:, :, None, None]
        x = x if halvings else invert_haar(x)
        return self.conv2(self.conv1(x, self.conv2.affine(w[:, 2]), halvings), None, halvings)


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
        haar = coefficients.new_tensor(HAAR) / 2
        return torch.einsum("pb,nbck->ncpk", haar, coefficients.unflatten(1, (BANDS, 3))).flatten(1, 2)


class Synthesis(nn.Module):
    """The blocks of all resolutions, and the colours."""

    def __init__(self, config: MobileStyleGANConfig):
        super().__init__()
        before = (None, *config.channels)
        for cin, cout, side in zip(before, config.channels, config.sides, strict=False):
            self.add_module(f"b{side}", Block(cin, cout, config.w_dim, side))
        self.torgb = ToPicture(config.channels[-1], config.w_dim)

    def blocks(self) -> list[Block]:
        return list(self.children())[:-1]


class MobileStyleGAN(StyleGenerator):
    """MobileStyleGAN's generator.

    Latents, of which the widest is read: "z" (N, z_dim), "w" (N, w_dim), "w+" (N, num_ws, w_dim), which has one row for
    each layer that reads w: one at 4 px, three in each other block (enlargement and two convolutions), one for the
    colours. Noise maps are stored in the network, and weak; they are not inputs.
    """

    def __init__(self, config: MobileStyleGANConfig):
        super().__init__()
        if not 2 <= len(config.channels) <= 9 or any(count % BANDS for count in config.channels[:-1]):
            raise ValueError(f"got channels {config.channels}, expected 2 to 9, all but the last divisible by {BANDS}")
        self.config, self.depth = config, len(config.channels)
        self.mapping = Mapping(
            config.z_dim,
            config.w_dim,
            config.mapping_layers,
            width=config.mapping_width,
            rate=config.mapping_rate,
        )
        self.synthesis = Synthesis(config)
        self.num_ws = sum(block.slots for block in self.synthesis.blocks()) + 1
        latents = (
            LatentSpec("z", "z", (config.z_dim,)),
            LatentSpec("w", "w", (config.w_dim,), sampled=False),
            LatentSpec("w+", "w+", (self.num_ws, config.w_dim), sampled=False),
        )
        self.info = GeneratorInfo("mobile-stylegan", config.resolution, latents, config=asdict(config))

    def stem(self, latents):
        """Return the learned constant, (N, channels[0], 4, 4)."""
        rows = len(next(latents[name] for name in reversed(self.charts) if name in latents))
        const = self.synthesis.b4.const.expand(rows, -1, -1, -1)
        return State(const.contiguous(memory_format=torch.channels_last))

    def block(self, k, state, latents):
        """Apply block k: (N, channels[k - 1], h, w) -> (N, channels[k], 2h, 2w); block 0 keeps 4x4.

        The last block returns pixels (N, 12, h, w), four for each colour.
        """
        return State(self._run_block(k, state.hidden, self.w_plus(latents)))

    def _run_block(self, k: int, x: Tensor, w_plus: Tensor, halvings: int = 0) -> Tensor:
        """Apply block k, after the last one the colours, to the map that enters it; see ``Block``."""
        blocks = self.synthesis.blocks()
        first = sum(block.slots for block in blocks[:k])
        x = blocks[k](x, w_plus[:, first : first + blocks[k].slots], halvings)
        return self.synthesis.torgb(x, w_plus[:, -1]) if k == self.depth - 1 else x

    @property
    def resolutions(self):
        return (*self.config.sides[-COARSER:], self.config.resolution)

    def draw(self, latents, resolution):
        """Return averages of the picture over squares of pixels, (N, 3, r, r).

        Those over squares of two are exact. For larger ones the last blocks work on averages of their maps, all of them
        with their styles: an approximation, because the differences within a square are left out.
        """
        if resolution not in self.resolutions[:-1]:
            return super().draw(latents, resolution)
        latents = self._map_once(latents)
        state, first = self.start(latents)
        x, w_plus = state.hidden, self.w_plus(latents)
        side = max(resolution, x.shape[-1])  # a feature map is not averaged before it enters
        for k in range(first, self.depth):
            x = self._run_block(k, x, w_plus, max(0, (self.config.sides[k] // side).bit_length() - 1))
        picture = x.unflatten(1, (3, BANDS)).mean(2)
        return picture if side == resolution else F.avg_pool2d(picture, side // resolution)

    def head(self, state):
        """Put pixels (N, 12, R/2, R/2), four for each colour, in their places: (N, 3, R, R)."""
        return F.pixel_shuffle(state.hidden, 2)

    def groups(self):
        blocks = {f"b{side}": self.parameter_names(f"synthesis.b{side}.") for side in self.config.sides}
        return [
            ParameterGroup("mapping", self.parameter_names("mapping."), progressive=False),
            *(ParameterGroup(name, names) for name, names in blocks.items()),
            ParameterGroup("torgb", self.parameter_names("synthesis.torgb."), head=True, progressive=False),
        ]
