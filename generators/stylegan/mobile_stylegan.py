"""The generator of MobileStyleGAN (Belousov 2021, arXiv 2104.04767): depthwise convolutions and Haar wavelets.

It is a small network that was trained to draw the pictures of a StyleGAN2. Three things differ from StyleGAN2. The
demodulation does not depend on the style, so that it is part of the stored weights. Maps are enlarged by the inverse
Haar transform: a quarter of the channels holds averages, the rest differences. Colours are computed once, at the end,
as Haar coefficients of the picture.

Channels are kept in the order in which the Haar transform reads them: first the averages, then the differences between
rows, between columns, and between diagonals. The published files interleave the differences.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import nn

from generators.base import GeneratorInfo, ParameterGroup, State
from generators.latents import LatentSpec
from generators.stylegan.mapping import Mapping
from generators.stylegan.mobile.layers import Block, ToPicture
from generators.stylegan.mobile.separable_conv import BANDS
from generators.stylegan.style_generator import StyleGenerator

# Number of sizes at which ``draw`` has coarser pictures, up to half of its own. Of a network of 1024 px, trained
# on faces, they equal averages of the picture at 512 px; at 256, 128 and 64 px they are 34, 30 and 27 dB off.
COARSER = 4


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
        self.info = GeneratorInfo("mobilestylegan", config.resolution, latents, config=asdict(config))

    def stem(self, latents):
        """Return the learned constant, (N, channels[0], 4, 4)."""
        return self._expand_constant(self.synthesis.b4.const, latents)

    def block(self, k, state, latents):
        """Apply block k: (N, channels[k - 1], h, w) -> (N, channels[k], 2h, 2w); block 0 keeps 4x4.

        The last block returns pixels (N, 12, h, w), four for each colour.
        """
        return self._run_block(k, state, latents)

    def _run_block(self, k, state, latents, halvings=0):
        blocks, w_plus = self.synthesis.blocks(), self.w_plus(latents)
        first = sum(block.slots for block in blocks[:k])
        x = blocks[k](state.hidden, w_plus[:, first : first + blocks[k].slots], halvings)
        return State(self.synthesis.torgb(x, w_plus[:, -1]) if k == self.depth - 1 else x)

    @property
    def resolutions(self):
        return (*self.config.sides[-COARSER:], self.config.resolution)

    def _coarse_picture(self, state):
        # The four pixels of each colour, averaged: exact where no block has averaged its maps.
        return state.hidden.unflatten(1, (3, BANDS)).mean(2)

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
