"""The generator of StyleGAN (Karras et al. 2019), with the parameter names of the PyTorch conversions that PULSE uses.

Each convolution is followed by noise and an instance norm whose scale and shift come from w. Maps are channels-last,
which on a CPU is two to three times as fast where channels are few.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import GeneratorInfo, ParameterGroup, State
from generators.latents import LatentSpec, sample_normal
from generators.nn.equalised import EqualisedLayer
from generators.nn.instance_norm import INSTANCE_EPS, instance_norm
from generators.nn.spectral_norm import merge_upsampling
from generators.nn.weight_cache import WeightCache
from generators.stylegan.mapping import normalise_second_moment
from generators.stylegan.ops import GAIN, SLOPE, Dense
from generators.stylegan.style_generator import StyleGenerator

MAPPING_RATE = 0.01
# Mean and deviation of the normal variable whose leaky ReLU is w, for networks without a mapping network: averages of
# the 512 values each that PULSE publishes for faces.
W_MEAN, W_DEVIATION = -0.269, 0.481


@dataclass(frozen=True)
class StyleGAN1Config:
    """Configuration of a StyleGAN1 generator.

    Attributes:
        channels: of each block, from 4x4 on.
        w_dim: size of w.
        z_dim: size of z, None without a mapping network.
        mapping_layers: layers of the mapping network.
        mapping_width: their width.
    """

    channels: tuple[int, ...]
    w_dim: int = 512
    z_dim: int | None = 512
    mapping_layers: int = 8
    mapping_width: int = 512

    @property
    def resolution(self) -> int:
        return 2 ** (len(self.channels) + 1)


class Mapping(nn.Module):
    """Mapping network from z (N, z_dim), normalised, to w (N, w_dim)."""

    def __init__(self, config: StyleGAN1Config):
        super().__init__()
        widths = [config.z_dim, *[config.mapping_width] * (config.mapping_layers - 1), config.w_dim]
        self.layers = config.mapping_layers
        for i in range(self.layers):
            self.add_module(f"dense{i}", Dense(widths[i], widths[i + 1], MAPPING_RATE))
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    def forward(self, z: Tensor, classes: None = None) -> Tensor:
        x = normalise_second_moment(z)
        for i in range(self.layers):
            layer = getattr(self, f"dense{i}")
            # The gain belongs to the weight, in later StyleGANs to the activation; the bias is not multiplied by it.
            x = F.leaky_relu(layer(GAIN * x), SLOPE)
        return x


class Conv(EqualisedLayer, WeightCache, nn.Module):
    """Equalised convolution that keeps the size."""

    def __init__(self, cin: int, cout: int, kernel: int = 3, gain: float = GAIN):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(cout))
        self.scale = gain / math.sqrt(cin * kernel**2)

    def weight_gains(self) -> dict[str, float]:
        return {"weight": self.scale}

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.get_derived("scaled", self.scale_weight), self.bias, padding=self.weight.shape[-1] // 2)

    def scale_weight(self, weight: Tensor) -> Tensor:
        return (weight * self.scale).contiguous(memory_format=torch.channels_last)


class Blur(nn.Module):
    """Binomial filter (1, 2, 1) along both axes, with a bias."""

    def __init__(self):
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0], device="cpu") / 4
        self.register_buffer("kernel", torch.outer(line, line)[None, None])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        channels = x.shape[1]
        return F.conv2d(x, self.kernel.expand(channels, -1, -1, -1), bias, padding=1, groups=channels)


class UpConv(Conv):
    """Equalised convolution after upsampling by two, with a blur after it.

    From 128 px on the published network upsamples by a transposed convolution, below it repeats every value; so the
    kernel is mirrored from there on. Both are computed as one transposed 4x4 convolution, at less than half the cost of
    repeating values.

    Args:
        cin: input channels.
        cout: output channels.
        side: of the output in pixels.
    """

    def __init__(self, cin: int, cout: int, side: int):
        super().__init__(cin, cout)
        self.intermediate = Blur()
        self.mirrored = side >= 128

    def merge_upsampling(self, weight: Tensor) -> Tensor:
        weight = merge_upsampling(self.scale * (weight.flip(2, 3) if self.mirrored else weight))
        return weight.contiguous(memory_format=torch.channels_last)

    def forward(self, x):
        y = F.conv_transpose2d(x, self.get_derived("enlarging", self.merge_upsampling), stride=2, padding=1)
        return self.intermediate(y, self.bias)


class NoiseStrength(nn.Module):
    """Strength of the noise, one value for each channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))


class StyleMod(nn.Module):
    """Affine map from w to the scale and shift after an instance norm."""

    def __init__(self, w_dim: int, channels: int):
        super().__init__()
        self.lin = Dense(w_dim, 2 * channels)

    def forward(self, w: Tensor) -> Tensor:
        """Return scale and shift, (N, 2, C)."""
        scale, shift = self.lin(w).chunk(2, 1)
        return torch.stack([scale + 1, shift], 1)


class Epilogue(nn.Module):
    """Noise, leaky ReLU, instance norm and style."""

    def __init__(self, w_dim: int, channels: int):
        super().__init__()
        self.noise, self.style_mod = NoiseStrength(channels), StyleMod(w_dim, channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        strength = self.noise.weight[:, None, None].to(x.dtype)
        x = F.leaky_relu_(torch.addcmul(x, strength, noise.to(x.dtype)), SLOPE)
        with torch.autocast(x.device.type, enabled=False):
            norm = self.style_mod(w.to(self.style_mod.lin.weight.dtype))
        if x.device.type != "cpu":
            return instance_norm(x, norm)
        # Batch norm of a single row is the same operation in a third of the time, and keeps maps channels-last.
        each = zip(x.split(1), norm[:, 0], norm[:, 1], strict=True)
        return torch.cat([F.batch_norm(row, None, None, *own, training=True, eps=INSTANCE_EPS) for row, *own in each])


class Block(nn.Module):
    """Block k, at 4 * 2^k pixels."""

    def __init__(self, k: int, cin: int, cout: int, w_dim: int):
        super().__init__()
        if k == 0:
            self.const, self.bias = nn.Parameter(torch.ones(1, cout, 4, 4)), nn.Parameter(torch.zeros(cout))
            self.conv = Conv(cout, cout)
        else:
            self.conv0_up, self.conv1 = UpConv(cin, cout, 4 * 2**k), Conv(cout, cout)
        self.epi1, self.epi2 = Epilogue(w_dim, cout), Epilogue(w_dim, cout)

    def forward(self, x: Tensor, w: Tensor, noise: tuple[Tensor, Tensor]) -> Tensor:
        """Apply the block with w (N, 2, w_dim) and two noise maps."""
        first, second = (None, self.conv) if hasattr(self, "const") else (self.conv0_up, self.conv1)
        x = self.epi1(x if first is None else first(x), w[:, 0], noise[0])
        return self.epi2(second(x), w[:, 1], noise[1])


class StyleGAN1(StyleGenerator):
    """StyleGAN's generator.

    Latents: "z" (N, z_dim), "w" (N, w_dim) or "w+" (N, 2 * blocks, w_dim); optionally "noise[i]" (N, 1, s, s),
    s = 4 * 2^(i // 2). Files store no noise maps; where one is left out, a fixed one from seed i is used.
    """

    def __init__(self, config: StyleGAN1Config):
        super().__init__()
        if not 2 <= len(config.channels) <= 9:
            raise ValueError(f"got {len(config.channels)} blocks, expected 2 to 9 (8 to 1024 px)")
        self.config, self.depth, self.num_ws = config, len(config.channels), 2 * len(config.channels)
        self.mapping = None if config.z_dim is None else Mapping(config)
        ins = (config.channels[0], *config.channels[:-1])
        self.blocks = nn.ModuleDict(
            {
                f"{4 * 2**k}x{4 * 2**k}": Block(k, cin, cout, config.w_dim)
                for k, (cin, cout) in enumerate(zip(ins, config.channels, strict=True))
            }
        )
        self.torgb = Conv(config.channels[-1], 3, 1, gain=1.0)
        sides = [4 * 2 ** (i // 2) for i in range(self.num_ws)]
        for i, side in enumerate(sides):
            stream = torch.Generator("cpu").manual_seed(i)
            self.register_buffer(f"noise{i}", torch.randn(1, 1, side, side, generator=stream, device="cpu"), False)
        whole = self.mapping is not None
        latents = [LatentSpec("z", "z", (config.z_dim,))] if whole else []
        latents += [
            LatentSpec("w", "w", (config.w_dim,), sampled=not whole),
            LatentSpec("w+", "w+", (self.num_ws, config.w_dim), sampled=False),
        ]
        latents += [LatentSpec(f"noise[{i}]", "noise", (1, s, s), sampled=False) for i, s in enumerate(sides)]
        self.info = GeneratorInfo("stylegan1", config.resolution, tuple(latents), config=asdict(config))

    def sample(self, n, *, truncation=1.0, classes=None, generator=None):
        """Sample as ``StyleGenerator``; without a mapping network, sample "w" (n, w_dim) from PULSE's averages.

        w = leaky_relu(-0.269 + 0.481 truncation x),    x ~ N(0, I)
        """
        if self.mapping is not None:
            return super().sample(n, truncation=truncation, classes=classes, generator=generator)
        deviation = W_DEVIATION * truncation
        drawn = sample_normal(n, self.config.w_dim, 1.0, generator).to(self.torgb.weight)
        return {"w": F.leaky_relu(W_MEAN + deviation * drawn, SLOPE)}

    def stem(self, latents):
        """Return the learned constant plus its bias, (N, channels[0], 4, 4)."""
        first = self.blocks["4x4"]
        return self._expand_constant(first.const + first.bias[:, None, None], latents)

    def block(self, k, state, latents):
        """Apply block k: (N, channels[k - 1], h, w) -> (N, channels[k], 2h, 2w); block 0 keeps 4x4."""
        noise = tuple(latents.get(f"noise[{i}]", getattr(self, f"noise{i}")) for i in (2 * k, 2 * k + 1))
        block = self.blocks[f"{4 * 2**k}x{4 * 2**k}"]
        return State(block(state.hidden, self.w_plus(latents)[:, 2 * k : 2 * k + 2], noise))

    def head(self, state):
        """Map (N, channels[-1], R, R) to colours by a 1x1 convolution."""
        return self.torgb(state.hidden)

    def default_input(self, name):
        maps = {f"noise[{i}]": getattr(self, f"noise{i}") for i in range(self.num_ws)}
        return maps[name] if name in maps else super().default_input(name)

    def groups(self):
        groups = (
            []
            if self.mapping is None
            else [ParameterGroup("mapping", self.parameter_names("mapping."), progressive=False)]
        )
        groups += [ParameterGroup(f"blocks.{name}", self.parameter_names(f"blocks.{name}.")) for name in self.blocks]
        return [*groups, ParameterGroup("torgb", self.parameter_names("torgb."), head=True, progressive=False)]
