"""The generator of StyleGAN2 (Karras et al. 2020) and StyleGAN2-ADA, with NVIDIA's parameter names."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import GeneratorInfo, ParameterGroup, State
from generators.latents import LatentSpec
from generators.nn.equalised import EqualisedLayer
from generators.stylegan.mapping import Mapping
from generators.stylegan.ops import DEMODULATION_EPS, Fir, StyledConv, ToRGB
from generators.stylegan.style_generator import StyleGenerator

HALF = math.sqrt(0.5)
# Number of sizes at which ``draw`` has coarser pictures. Of stylegan2-cifar10 (32 px), they are 30 dB off averages of
# the picture at 16 px, and 25 dB at 8 px.
COARSER = 3


@dataclass(frozen=True)
class StyleGAN2Config:
    """Configuration of a StyleGAN2 generator.

    Shapes of a checkpoint do not determine ``mapping_rate``, ``conv_clamp`` and ``demodulation_fan_in``.

    Attributes:
        resolution: pixels a side.
        channels: of each resolution, from 4 px on.
        z_dim: size of z.
        w_dim: size of w.
        mapping_layers: layers of the mapping network.
        mapping_width: their width.
        n_classes: number of classes.
        embed_dim: width of the class embedding, 0 without classes.
        architecture: "skip" (colours of all blocks are added up), "resnet" or "orig" (colours at the end only).
        mapping_rate: learning rate multiplier of the mapping network.
        conv_clamp: bound of the layers' outputs, None for none.
        taps: of the resampling filter.
        demodulation_fan_in: p, where ``1e-8 inputs^p`` is added to the squared norm of a filter: 0 as published, 1
            where weights are scaled by 1 / sqrt(inputs) before demodulation (rosinality).
    """

    resolution: int
    channels: tuple[int, ...]
    z_dim: int
    w_dim: int
    mapping_layers: int
    mapping_width: int
    n_classes: int = 0
    embed_dim: int = 0
    architecture: str = "skip"
    mapping_rate: float = 0.01
    conv_clamp: float | None = None
    taps: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
    demodulation_fan_in: float = 0.0

    @property
    def sides(self) -> tuple[int, ...]:
        return tuple(4 << k for k in range(len(self.channels)))


class Block(nn.Module):
    """The layers of one resolution.

    Args:
        cin: input channels, None at 4 px, where the map that enters is the constant and keeps its size.
        cout: output channels.
        side: of the output in pixels.
        last: whether it is the last block.
        fir: the resampling filter.
        config: of the network.
    """

    def __init__(self, cin: int | None, cout: int, *, side: int, last: bool, fir: Fir, config: StyleGAN2Config):
        super().__init__()
        eps = lambda inputs: DEMODULATION_EPS * (9 * inputs) ** config.demodulation_fan_in  # noqa: E731
        rest = {"w_dim": config.w_dim, "side": side, "clamp": config.conv_clamp}
        if cin is None:
            self.const = nn.Parameter(torch.randn(cout, 4, 4))
        else:
            self.conv0 = StyledConv(cin, cout, up=fir, eps=eps(cin), **rest)
        self.conv1 = StyledConv(cout, cout, up=None, eps=eps(cout), **rest)
        if last or config.architecture == "skip":
            self.torgb = ToRGB(cout, config.w_dim, config.conv_clamp)
        if cin is not None and config.architecture == "resnet":
            self.skip = Shortcut(cin, cout)
        self.fir = fir

    def convolutions(self) -> list[StyledConv]:
        """Return the one or two convolutions, in order."""
        return [layer for name in ("conv0", "conv1") if (layer := getattr(self, name, None)) is not None]

    def readers(self) -> list[StyledConv | ToRGB]:
        """Return the layers that read w+, in the order of the slots that they read."""
        return [*self.convolutions(), *([self.torgb] if hasattr(self, "torgb") else [])]

    def forward(self, state: State, styles: list[Tensor], noises: list[Tensor | None], halvings: int = 0) -> State:
        """Apply the block.

        Args:
            state: hidden map and picture so far.
            styles: one for each reader.
            noises: one for each convolution, None for the stored map.
            halvings: how often the result is averaged over squares of two pixels; the state then has its size.
        """
        x, rgb = state.hidden, state.rgb
        if hasattr(self, "skip"):
            shortcut = self._enlarge(self.skip(x) * HALF, halvings)
        count = len(self.convolutions())
        style = self.conv1.style(styles[count - 1])
        # The first convolution can scale its output for the second in the same pass over memory.
        is_scaled = count == 2 and not style.per_filter
        if count == 2:
            first, scale = self.conv0.style(styles[0]), style.s if is_scaled else None
            x = self.conv0(x, first, noises[0], next_scale=scale, halvings=halvings)
        gain = HALF if hasattr(self, "skip") else 1.0
        x = self.conv1(x, style, noises[-1], gain=gain, is_scaled=is_scaled, halvings=halvings)
        if hasattr(self, "skip"):
            x = x + shortcut
        if rgb is not None:
            rgb = self._enlarge(rgb, halvings)
        if hasattr(self, "torgb"):
            colours = self.torgb(x, styles[-1])
            rgb = colours if rgb is None else rgb + colours
        return State(x, rgb)

    def _enlarge(self, x: Tensor, halvings: int) -> Tensor:
        """Double the size of x, and average the result; averages of averages change too little to be computed."""
        if halvings > 1:
            return x
        return F.avg_pool2d(self.fir.upsample(x), 2) if halvings else self.fir.upsample(x)


class Shortcut(EqualisedLayer, nn.Module):
    """Equalised 1x1 convolution without bias."""

    def __init__(self, cin: int, cout: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, 1, 1))

    def weight_gains(self) -> dict[str, float]:
        return {"weight": 1 / math.sqrt(self.weight.shape[1])}

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight / math.sqrt(self.weight.shape[1]))


class Synthesis(nn.Module):
    """The blocks of all resolutions."""

    def __init__(self, config: StyleGAN2Config):
        super().__init__()
        fir = Fir(config.taps)
        before = (None, *config.channels)
        for cin, cout, side in zip(before, config.channels, config.sides, strict=False):
            self.add_module(
                f"b{side}", Block(cin, cout, side=side, last=side == config.resolution, fir=fir, config=config)
            )

    def blocks(self) -> list[Block]:
        return list(self.children())


class StyleGAN2(StyleGenerator):
    """StyleGAN2's generator.

    Latents, of which the widest is read: "z" (N, z_dim), with "class" (N, embed_dim) or int64 (N,) where there are
    classes; "w" (N, w_dim); "w+" (N, num_ws, w_dim); "w++" (N, rows, w_dim), which for each slot of w+ has as many rows
    as the widest layer that reads it has filters. Optionally "noise[i]" (N or 1, 1, s, s), the map of the i-th
    convolution; stored maps are used for those that are left out.

    Block k works at 4 * 2^k pixels. The last one ends with the colours, so that the head receives the picture. Coarser
    pictures are not the colours that are added up until a block: later blocks change colours of large areas, too, so
    that these sums are 15 dB off averages of the pictures of stylegan2-cifar10, whose variance is at 13 dB.
    """

    charts = ("z", "w", "w+", "w++")

    def __init__(self, config: StyleGAN2Config, classes: tuple[str, ...] = ()):
        super().__init__()
        self.config, self.depth, self.num_ws = config, len(config.channels), 2 * len(config.channels)
        self.mapping = Mapping(
            config.z_dim,
            config.w_dim,
            config.mapping_layers,
            width=config.mapping_width,
            n_classes=config.n_classes,
            embed_dim=config.embed_dim,
            rate=config.mapping_rate,
        )
        self.synthesis = Synthesis(config)
        self.rows = self._count_rows()
        specs = [LatentSpec("z", "z", (config.z_dim,))]
        if config.n_classes:
            specs.append(LatentSpec("class", "class", (config.embed_dim,)))
        wide = {"w": (), "w+": (self.num_ws,), "w++": (sum(self.rows),)}
        specs += [LatentSpec(name, name, (*lead, config.w_dim), sampled=False) for name, lead in wide.items()]
        layers = [layer for block in self.synthesis.blocks() for layer in block.convolutions()]
        specs += [
            LatentSpec(f"noise[{i}]", "noise", (1, *layer.noise_const.shape), sampled=False)
            for i, layer in enumerate(layers)
        ]
        names = classes or tuple(str(i) for i in range(config.n_classes))
        self.info = GeneratorInfo("stylegan2", config.resolution, tuple(specs), classes=names, config=asdict(config))

    def _count_rows(self) -> tuple[int, ...]:
        """Return the number of rows of w++ for each slot of w+."""
        rows = [0] * self.num_ws
        for k, block in enumerate(self.synthesis.blocks()):
            for slot, layer in enumerate(block.readers(), self._first_slot(k)):
                rows[slot] = max(rows[slot], layer.weight.shape[0])
        return tuple(rows)

    def _first_slot(self, k: int) -> int:
        """Return the first slot of w+ that block k reads.

        Block 0 has one convolution, the others two; the colours share a slot with the next block's first layer.
        """
        return max(0, 2 * k - 1)

    def _map_once(self, latents):
        return latents if "w++" in latents else super()._map_once(latents)

    @property
    def resolutions(self):
        return self.config.sides[-1 - COARSER :]

    def _to_chart(self, latents, chart):
        if chart != "w++":
            return super()._to_chart(latents, chart)
        return self.w_plus(latents).repeat_interleave(torch.tensor(self.rows, device=self.device), 1)

    def stem(self, latents):
        """Return the learned constant, (N, channels[0], 4, 4)."""
        return self._expand_constant(self.synthesis.b4.const, latents)

    def block(self, k, state, latents):
        """Apply block k: (N, channels[k - 1], h, w) -> (N, channels[k], 2h, 2w); block 0 keeps 4x4."""
        return self._run_block(k, state, latents)

    def _run_block(self, k, state, latents, halvings=0):
        block, first = self.synthesis.blocks()[k], self._first_slot(k)
        rows = latents["w++"].split(self.rows, 1) if "w++" in latents else None
        w_plus = None if rows else self.w_plus(latents)
        styles = [
            rows[slot][:, : layer.weight.shape[0]] if rows else w_plus[:, slot]
            for slot, layer in enumerate(block.readers(), first)
        ]
        noises = [latents.get(f"noise[{first + i}]") for i in range(len(block.convolutions()))]
        state = block(state, styles, noises, halvings)
        return State(state.rgb) if k == self.depth - 1 else state

    def head(self, state):
        """Return the picture, which the last block has completed."""
        return state.hidden

    def default_input(self, name):
        layers = [layer for block in self.synthesis.blocks() for layer in block.convolutions()]
        maps = {f"noise[{i}]": layer.noise_const[None, None] for i, layer in enumerate(layers)}
        return maps[name] if name in maps else super().default_input(name)

    def groups(self):
        head = self.parameter_names(f"synthesis.b{self.config.resolution}.torgb.")
        blocks = {f"b{side}": self.parameter_names(f"synthesis.b{side}.") for side in self.config.sides}
        return [
            ParameterGroup("mapping", self.parameter_names("mapping."), progressive=False),
            *(ParameterGroup(block, tuple(n for n in names if n not in head)) for block, names in blocks.items()),
            ParameterGroup("torgb", head, head=True, progressive=False),
        ]
