"""EfficientNet-Lite0, a classifier of ImageNet's 1000 classes, with the parameter names of its published file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-3  # of the batch norms, as in the TensorFlow original


@dataclass(frozen=True)
class BlockGroup:
    """Consecutive blocks with the same number of output channels; only the first of them has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


@dataclass(frozen=True)
class Configuration:
    """Sizes of the network; the defaults are those of Lite0."""

    stem: int = 32
    groups: tuple[BlockGroup, ...] = (
        BlockGroup(1, 3, 1, 1, 16),
        BlockGroup(2, 3, 2, 6, 24),
        BlockGroup(2, 5, 2, 6, 40),
        BlockGroup(3, 3, 2, 6, 80),
        BlockGroup(3, 5, 1, 6, 112),
        BlockGroup(4, 5, 2, 6, 192),
        BlockGroup(1, 3, 1, 6, 320),
    )
    head: int = 1280
    classes: int = 1000


class SameConvolution(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's "SAME": n pixels become ceil(n / stride).

    Where the padding is odd, bottom and right get the larger half.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        down, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if down == right and down % 2 == 0:
            return F.conv2d(x, self.weight, None, stride, down // 2, 1, self.groups)
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return F.conv2d(x, self.weight, None, stride, 0, 1, self.groups)


class Block(nn.Module):
    """An inverted residual (Sandler et al. 2018): expansion, depthwise convolution, linear projection."""

    def __init__(self, inputs: int, group: BlockGroup, stride: int):
        super().__init__()
        inner = inputs * group.expansion
        if group.expansion != 1:
            self._expand_conv = SameConvolution(inputs, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, EPSILON)
        self._depthwise_conv = SameConvolution(inner, inner, group.kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, EPSILON)
        self._project_conv = SameConvolution(inner, group.channels, 1)
        self._bn2 = nn.BatchNorm2d(group.channels, EPSILON)
        self.stride, self.expands = stride, group.expansion != 1
        self.residual = stride == 1 and inputs == group.channels

    def expand(self, x: Tensor) -> Tensor:
        """Return what the depthwise convolution reads: the expanded maps, in [0, 6], or ``x`` without an expansion."""
        return F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x

    def project(self, expanded: Tensor, x: Tensor) -> Tensor:
        """Return the block's output, of its expanded maps and its input."""
        projected = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(expanded)))))
        return x + projected if self.residual else projected


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite (Tan and Le 2019, without squeeze-and-excitation and with ReLU6).

    Input: pictures (N, 3, H, W) of any size, (x - 127) / 128 of values x in 0..255.
    """

    def __init__(self, configuration: Configuration = Configuration()):
        super().__init__()
        channels = configuration.stem
        self._conv_stem = SameConvolution(3, channels, 3, 2)
        self._bn0 = nn.BatchNorm2d(channels, EPSILON)
        self._blocks = nn.ModuleList()
        for group in configuration.groups:
            for number in range(group.repeats):
                self._blocks.append(Block(channels, group, 1 if number else group.stride))
                channels = group.channels
        self._conv_head = SameConvolution(channels, configuration.head, 1)
        self._bn1 = nn.BatchNorm2d(configuration.head, EPSILON)
        self._fc = nn.Linear(configuration.head, configuration.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes, (N, classes)."""
        return self._fc(self.features(x)[-1].mean((2, 3)))

    def features(self, x: Tensor) -> list[Tensor]:
        """Return the last rectified maps, in [0, 6], at each resolution, from 1/2 of the picture's to 1/32 of it.

        They are what the convolutions with a stride read, and the head's: 96, 144, 240, 672 and 1280 channels of Lite0.
        """
        found, x = [], F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            expanded = block.expand(x)
            if block.stride > 1:
                found.append(expanded)
            x = block.project(expanded, x)
        return [*found, F.relu6(self._bn1(self._conv_head(x)))]


def read_efficientnet_lite(path: Path, configuration: Configuration = Configuration()) -> EfficientNetLite:
    """Return the network of a file of weights, frozen and in evaluation mode.

    Args:
        path: a torch file of named tensors.
        configuration: sizes of the network.

    Raises:
        ValueError: the file holds other tensors.
    """
    network = EfficientNetLite(configuration)
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        found = str(error).splitlines()[1].strip()
        raise ValueError(f"{path}: not the weights of EfficientNet-Lite0: {found}; get the file again") from None
    return network.eval().requires_grad_(False)
