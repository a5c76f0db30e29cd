"""BigGAN-deep's discriminator (Brock et al. 2019, appendix B), with the parameter names of the authors' release."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.biggan.layers import Attention
from generators.biggan.projection import ProjectionDiscriminator
from generators.nn.spectral_norm import Conv, Embedding, Linear


@dataclass(frozen=True)
class DeepDiscriminatorConfig:
    """Configuration of a BigGAN-deep discriminator.

    Attributes:
        resolution: pixels a side.
        channels: of the first convolution's output, and of each level.
        pooling: levels whose first block halves the size.
        depth: blocks of each level.
        n_classes: number of classes.
        attention: levels that end with attention.
        singular_values: how many are stored, 0 without spectral norm.
        sn_eps: epsilon of spectral norms.
    """

    resolution: int
    channels: tuple[int, ...]
    pooling: tuple[int, ...]
    depth: int
    n_classes: int
    attention: tuple[int, ...] = ()
    singular_values: int = 1
    sn_eps: float = 1e-6


class Block(nn.Module):
    """Residual block with a bottleneck of a quarter of its output's width.

    Where the output has more channels than the input, a 1x1 convolution of the input supplies the rest of the shortcut.
    """

    def __init__(self, cin: int, cout: int, pools: bool, sn: tuple[int, float]):
        super().__init__()
        hidden, self.pools = cout // 4, pools
        self.conv1, self.conv4 = Conv(cin, hidden, 1, *sn), Conv(hidden, cout, 1, *sn)
        self.conv2, self.conv3 = Conv(hidden, hidden, 3, *sn), Conv(hidden, hidden, 3, *sn)
        if cin != cout:
            self.conv_sc = Conv(cin, cout - cin, 1, *sn)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(x))
        h = self.conv3(F.relu(self.conv2(F.relu(h))))
        h = self.conv4(self.pool(F.relu(h)))
        x = self.pool(x)
        return h + (torch.cat([x, self.conv_sc(x)], 1) if hasattr(self, "conv_sc") else x)

    def pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) if self.pools else x


class BigGANDeepDiscriminator(ProjectionDiscriminator):
    """BigGAN-deep's discriminator: a convolution, then levels of residual blocks."""

    def __init__(self, config: DeepDiscriminatorConfig):
        super().__init__()
        self.config = config
        sn = config.singular_values, config.sn_eps
        self.input_conv = Conv(3, config.channels[0], 3, *sn)
        self.blocks = nn.ModuleList()
        for level, (cin, cout) in enumerate(zip(config.channels[:-1], config.channels[1:], strict=True)):
            parts = [Block(cin, cout, level in config.pooling, sn)]
            parts += [Block(cout, cout, False, sn) for _ in range(config.depth - 1)]
            if level in config.attention:
                parts.append(Attention(cout, *sn))
            self.blocks.append(nn.ModuleList(parts))
        self.linear = Linear(config.channels[-1], 1, *sn)
        self.embed = Embedding(config.n_classes, config.channels[-1], *sn)

    def enter(self, x):
        return self.input_conv(x)
