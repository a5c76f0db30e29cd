"""The discriminator of StyleGAN2 (Karras et al. 2020, appendix B), StyleGAN2-ADA and StyleGAN3."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import Discriminator
from generators.nn.weight_cache import WeightCache
from generators.stylegan.mapping import Mapping
from generators.stylegan.ops import GAIN, SLOPE, Dense, Fir

HALF = math.sqrt(0.5)
DEVIATION_EPS = 1e-8


@dataclass(frozen=True)
class StyleGAN2DiscriminatorConfig:
    """Configuration of a StyleGAN2 discriminator.

    Shapes of a checkpoint do not determine ``group``, ``mapping_rate`` and ``conv_clamp``.

    Attributes:
        resolution: pixels a side.
        channels: of the maps at each resolution, from 4 px on.
        n_classes: number of classes.
        embed_dim: width of the class embedding.
        mapping_layers: layers of the mapping network of the class.
        mapping_width: their width.
        cmap_dim: width of the projection onto the class, 0 without classes.
        architecture: "resnet", "skip" (each block reads the picture) or "orig".
        statistics: channels of minibatch standard deviation.
        group: rows that shared one in training, None for the whole batch.
        mapping_rate: learning rate multiplier of the mapping network.
        conv_clamp: bound of activations, None for none.
        taps: of the resampling filter.
    """

    resolution: int
    channels: tuple[int, ...]
    n_classes: int = 0
    embed_dim: int = 0
    mapping_layers: int = 0
    mapping_width: int = 0
    cmap_dim: int = 0
    architecture: str = "resnet"
    statistics: int = 1
    group: int | None = 4
    mapping_rate: float = 0.01
    conv_clamp: float | None = None
    taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)


class Conv(WeightCache, nn.Module):
    """Equalised convolution whose output is the input of an activation, times ``gain``.

    Leaky ReLU commutes with a positive factor, so that the gain of the activation can be applied here.

    Args:
        cin: input channels.
        cout: output channels.
        kernel: size of the kernel.
        down: the filter of a layer that halves the size, else None.
        bias: whether there is one.
        gain: factor of the output.
    """

    def __init__(self, cin: int, cout: int, kernel: int, *, down: Fir | None = None, bias: bool = True, gain=GAIN):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        self.down, self.gain = down, gain

    def forward(self, x: Tensor) -> Tensor:
        weight = self.get_derived("scaled", self._scale_weight)
        bias = None if self.bias is None else self.bias * self.gain
        side = self.weight.shape[2]
        if self.down is None:
            return F.conv2d(x, weight, bias, padding=side // 2)
        if side == 1:
            return F.conv2d(self.down.downsample(x), weight, bias)
        return F.conv2d(self.down.blur_before_downsampling(x), weight, bias, stride=2)

    def _scale_weight(self, weight: Tensor) -> Tensor:
        scale = self.gain / math.sqrt(math.prod(weight.shape[1:]))
        return (weight * scale).contiguous(memory_format=torch.channels_last)


class Block(nn.Module):
    """Block that halves the size.

    Args:
        cin: input channels.
        cout: output channels.
        reads: whether the picture enters here.
        fir: the resampling filter.
        config: of the network.
    """

    def __init__(self, cin: int, cout: int, *, reads: bool, fir: Fir, config: StyleGAN2DiscriminatorConfig):
        super().__init__()
        residual = config.architecture == "resnet"
        self.gain, self.clamp = HALF if residual else 1.0, config.conv_clamp
        if reads:
            self.fromrgb = Conv(3, cin, 1)
        self.conv0 = Conv(cin, cin, 3)
        self.conv1 = Conv(cin, cout, 3, down=fir, gain=GAIN * self.gain)
        if residual:
            self.skip = Conv(cin, cout, 1, down=fir, bias=False, gain=HALF)

    def forward(self, x: Tensor) -> Tensor:
        """Return conv1's output before its activation, or with a shortcut the sum after it."""
        h = self.conv1(activate_and_clamp(self.conv0(x), self.clamp))
        return activate_and_clamp(h, self.clamp, self.gain) + self.skip(x) if hasattr(self, "skip") else h


class Epilogue(nn.Module):
    """The layers at 4 px: a convolution and two linear layers."""

    def __init__(self, config: StyleGAN2DiscriminatorConfig):
        super().__init__()
        width = config.channels[0]
        if config.architecture == "skip":
            self.fromrgb = Conv(3, width, 1)
        self.conv = Conv(width + config.statistics, width, 3)
        self.fc = Dense(16 * width, width)
        self.out = Dense(width, config.cmap_dim or 1)


def activate_and_clamp(x: Tensor, clamp: float | None, gain: float = 1.0) -> Tensor:
    """Leaky ReLU, clamped to ``clamp * gain``, of a map that is multiplied by ``gain`` already."""
    x = F.leaky_relu(x, SLOPE)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def append_minibatch_std(x: Tensor, group: int | None, channels: int) -> Tensor:
    """Append maps of the standard deviation within groups of rows (Karras et al. 2018, section 3).

    Row n belongs to group n modulo the number of groups.

    Args:
        x: (N, C, h, w).
        group: rows in a group, None for all.
        channels: number of maps, each averaged over its share of the channels.

    Returns:
        (N, C + channels, h, w).

    Raises:
        ValueError: the rows do not divide into groups.
    """
    n, group = len(x), min(group or len(x), len(x))
    if n % group:
        raise ValueError(f"got {n} rows for minibatch_std {group}, expected a multiple of it, or fewer rows")
    parts = x.reshape(group, n // group, channels, x.shape[1] // channels, *x.shape[2:])
    parts = parts.to(torch.promote_types(x.dtype, torch.float32))
    deviation = (parts.var(0, unbiased=False) + DEVIATION_EPS).sqrt().mean((2, 3, 4))
    maps = deviation.to(x.dtype).repeat(group, 1)[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, maps], 1)


class StyleGAN2Discriminator(Discriminator):
    """The discriminator of StyleGAN2, StyleGAN2-ADA and StyleGAN3.

    Attributes:
        minibatch_std: rows that share a standard deviation. It is 1 unless set, so that rows are independent; published
            networks use ``config.group``.
    """

    def __init__(self, config: StyleGAN2DiscriminatorConfig):
        super().__init__()
        self.config = config
        self.minibatch_std: int | None = 1
        self.fir = Fir(config.taps)
        for k in reversed(range(1, len(config.channels))):
            reads = config.architecture == "skip" or k == len(config.channels) - 1
            self.add_module(
                f"b{4 << k}",
                Block(config.channels[k], config.channels[k - 1], reads=reads, fir=self.fir, config=config),
            )
        if config.n_classes:
            self.mapping = Mapping(
                0,
                config.cmap_dim,
                config.mapping_layers,
                width=config.mapping_width,
                n_classes=config.n_classes,
                embed_dim=config.embed_dim,
                rate=config.mapping_rate,
                mean=False,
            )
        self.b4 = Epilogue(config)

    def features(self, x, classes=None):
        """Return the maps of the colours, of each block and of the last convolution, and the vector that is scored.

        Maps are taken before their activation, times its gain; in blocks with a shortcut, the sum after it.
        """
        picture, clamp = x.contiguous(memory_format=torch.channels_last), self.config.conv_clamp
        residual, carries = self.config.architecture == "resnet", self.config.architecture == "skip"
        found: list[Tensor] = []
        for k in reversed(range(1, len(self.config.channels))):
            block = getattr(self, f"b{4 << k}")
            if not found:
                found.append(block.fromrgb(picture))
                h = activate_and_clamp(found[-1], clamp)
            elif carries:
                h = h + activate_and_clamp(block.fromrgb(picture), clamp)
            found.append(block(h))
            h = found[-1] if residual else activate_and_clamp(found[-1], clamp)
            if carries:
                picture = self.fir.downsample(picture)
        if carries:
            h = h + activate_and_clamp(self.b4.fromrgb(picture), clamp)
        if self.config.statistics:
            h = append_minibatch_std(h, self.minibatch_std, self.config.statistics)
        found.append(self.b4.conv(h))
        vector = self.b4.fc(activate_and_clamp(found[-1], clamp).flatten(1))
        return [*found, F.leaky_relu(vector, SLOPE) * GAIN]

    def logit(self, x, classes=None):
        """Return the realism score (N, 1). Without classes, a conditional network gives the mean over its classes."""
        vector = self.b4.out(self.features(x)[-1])
        if not self.config.n_classes:
            return vector
        if classes is None:
            every = torch.arange(self.config.n_classes, device=x.device)
            projection = self.mapping(None, every).mean(0, keepdim=True)
        else:
            projection = self.mapping(None, classes)
        return (vector * projection).sum(1, keepdim=True) / math.sqrt(self.config.cmap_dim)
