"""BigGAN's discriminator (Brock et al. 2019, appendix B), with the parameter names of the authors' release."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from generators.biggan.layers import Attention
from generators.biggan.projection import ProjectionDiscriminator
from generators.nn.spectral_norm import Conv, Embedding, Linear

# By resolution: channels leaving each block, in multiples of ch, and which blocks halve the size.
CHANNELS = {
    32: ((4, 4, 4, 4), (True, True, False, False)),
    64: ((1, 2, 4, 8, 16), (True, True, True, True, False)),
    128: ((1, 2, 4, 8, 16, 16), (True, True, True, True, True, False)),
    256: ((1, 2, 4, 8, 8, 16, 16), (True, True, True, True, True, True, False)),
}


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Configuration of a BigGAN discriminator.

    Attributes:
        resolution: pixels a side, a key of ``CHANNELS``.
        ch: channel multiplier.
        n_classes: number of classes.
        attention: blocks that end with attention.
        wide: whether hidden layers are as wide as the block's output, else as its input.
        singular_values: how many are stored, 0 without spectral norm.
        sn_eps: epsilon of spectral norms.
    """

    resolution: int
    ch: int
    n_classes: int
    attention: tuple[int, ...] = ()
    wide: bool = True
    singular_values: int = 1
    sn_eps: float = 1e-6


class Block(nn.Module):
    """Residual block; the first one has no ReLU before it, and pools its shortcut before the convolution."""

    def __init__(self, cin: int, cout: int, *, first: bool, down: bool, wide: bool, sn: tuple[int, float]):
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
        # A 1x1 convolution commutes with pooling, and after it costs a quarter.
        return h + self.conv_sc(self.pool(x))

    def pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) if self.down else x


class BigGANDiscriminator(ProjectionDiscriminator):
    """BigGAN's discriminator."""

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config = config
        outs, downs = CHANNELS[config.resolution]
        sn = config.singular_values, config.sn_eps
        ins = (3, *(c * config.ch for c in outs[:-1]))
        self.blocks = nn.ModuleList()
        for k, (cin, cout, down) in enumerate(zip(ins, outs, downs, strict=True)):
            parts = [Block(cin, cout * config.ch, first=k == 0, down=down, wide=config.wide, sn=sn)]
            if k in config.attention:
                parts.append(Attention(cout * config.ch, *sn))
            self.blocks.append(nn.ModuleList(parts))
        self.linear = Linear(outs[-1] * config.ch, 1, *sn)
        self.embed = Embedding(config.n_classes, outs[-1] * config.ch, *sn)
