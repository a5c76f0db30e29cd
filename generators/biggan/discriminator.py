"""The discriminator: a residual tower whose maps serve as features, a projection head (Miyato & Koyama 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from generators.biggan.layers import Attention
from generators.biggan.projection import ProjectionDiscriminator
from generators.nn.spectral_norm import Conv, Embedding, Linear

# Multiples of ch that leave each block, and which blocks halve the size.
CHANNELS = {
    32: ((4, 4, 4, 4), (True, True, False, False)),
    64: ((1, 2, 4, 8, 16), (True, True, True, True, False)),
    128: ((1, 2, 4, 8, 16, 16), (True, True, True, True, True, False)),
    256: ((1, 2, 4, 8, 8, 16, 16), (True, True, True, True, True, True, False)),
}


@dataclass(frozen=True)
class DiscriminatorConfig:
    """attention: blocks that end with attention.  wide: hidden layers as wide as the output, else as the input."""

    resolution: int
    ch: int
    n_classes: int
    attention: tuple[int, ...] = ()
    wide: bool = True
    singular_values: int = 1
    sn_eps: float = 1e-6


class Block(nn.Module):
    """Residual block. The first has no ReLU before it, and pools its shortcut before the convolution."""

    def __init__(self, cin: int, cout: int, first: bool, down: bool, wide: bool, sn: tuple[int, float]):
        super().__init__()
        hidden = cout if wide else cin
        self.first, self.down = first, down
        self.conv1, self.conv2 = Conv(cin, hidden, 3, *sn), Conv(hidden, cout, 3, *sn)
        if cin != cout or down:
            self.conv_sc = Conv(cin, cout, 1, *sn)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(x if self.first else F.relu(x))
        h = self.conv2.convolve_and_pool(F.relu(h)) if self.down else self.conv2(F.relu(h))
        if not hasattr(self, "conv_sc"):
            return h + x
        # A 1x1 convolution commutes with pooling, and costs a quarter after it.
        return h + self.conv_sc(self.pool(x))

    def pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) if self.down else x


class BigGANDiscriminator(ProjectionDiscriminator):
    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config = config
        outs, downs = CHANNELS[config.resolution]
        sn = config.singular_values, config.sn_eps
        ins = (3, *(c * config.ch for c in outs[:-1]))
        self.blocks = nn.ModuleList()
        for k, (cin, cout, down) in enumerate(zip(ins, outs, downs, strict=True)):
            parts = [Block(cin, cout * config.ch, k == 0, down, config.wide, sn)]
            if k in config.attention:
                parts.append(Attention(cout * config.ch, *sn))
            self.blocks.append(nn.ModuleList(parts))
        self.linear = Linear(outs[-1] * config.ch, 1, *sn)
        self.embed = Embedding(config.n_classes, outs[-1] * config.ch, *sn)
