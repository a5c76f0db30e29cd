"""BigGAN-deep's generator (Brock et al. 2019, appendix B), with the parameter names of the authors' release.

Two implementations were published, which agree except for what the configuration names. HuggingFace's has statistics
for many truncations, both vectors of the spectral norms, and an output layer of which three filters are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import Generator, GeneratorInfo, ParameterGroup, State
from generators.biggan.layers import (
    Attention,
    ConditionalNorm,
    OutputNorm,
    TruncationPosition,
    locate_truncation,
    match_instance_norm,
)
from generators.latents import LatentSpec, choose_labels, sample_normal
from generators.nn.instance_norm import instance_norm
from generators.nn.spectral_norm import Conv, Linear, SpectralNorm

INTERPOLATIONS = ("linear", "swapped")
NORMS_PER_BLOCK = 4


@dataclass(frozen=True)
class BigGANDeepConfig:
    """Configuration of a BigGAN-deep generator.

    Shapes of a checkpoint do not determine ``enlarging``, ``interpolation`` and the epsilons.

    Attributes:
        dim_z: size of z.
        n_classes: number of classes.
        shared_dim: width of the class embedding.
        channels: of the map that enters block 0, and of the maps that leave each block.
        enlarging: blocks that double the size.
        attention: blocks that end with attention.
        truncations: how many truncations have statistics of their own, evenly from 0 to 1; 0 for one set for all.
        interpolation: between them: "linear", or "swapped", which exchanges the weights of the two neighbours, as
            HuggingFace's implementation does.
        singular_values: how many are stored, 0 without spectral norm.
        right_vectors: whether the spectral norms store v, and take no power step.
        output_filters: of the output layer; three are used.
        sn_eps: epsilon of spectral norms.
        bn_eps: epsilon of batch norms.
        output_eps: epsilon of the output layer's norm.
    """

    dim_z: int
    n_classes: int
    shared_dim: int
    channels: tuple[int, ...]
    enlarging: tuple[int, ...]
    attention: tuple[int, ...] = ()
    truncations: int = 0
    interpolation: str = "linear"
    singular_values: int = 1
    right_vectors: bool = False
    output_filters: int = 3
    sn_eps: float = 1e-6
    bn_eps: float = 1e-5
    output_eps: float = 1e-5

    def __post_init__(self):
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"got interpolation {self.interpolation!r}, expected {' or '.join(INTERPOLATIONS)}")
        if self.truncations == 1 or self.output_filters < 3:
            raise ValueError("expected statistics of none or of several truncations, and three filters or more")
        if not {*self.enlarging, *self.attention} <= set(range(self.blocks)):
            raise ValueError(f"got enlarging {self.enlarging}, attention {self.attention} for {self.blocks} blocks")

    @property
    def resolution(self) -> int:
        return 4 * 2 ** len(self.enlarging)

    @property
    def blocks(self) -> int:
        return len(self.channels) - 1


class Block(nn.Module):
    """Residual block with a bottleneck of a quarter of its input's width.

    Where the output has fewer channels than the input, the shortcut drops the last ones.
    """

    def __init__(self, cin: int, cout: int, enlarges: bool, config: BigGANDeepConfig):
        super().__init__()
        sn, hidden = (config.singular_values, config.sn_eps), cin // 4
        self.cout, self.enlarges = cout, enlarges
        self.conv1, self.conv4 = Conv(cin, hidden, 1, *sn), Conv(hidden, cout, 1, *sn)
        self.conv2, self.conv3 = Conv(hidden, hidden, 3, *sn), Conv(hidden, hidden, 3, *sn)
        width = config.shared_dim + config.dim_z
        options = {"bn_eps": config.bn_eps, "truncations": config.truncations}
        self.bn1, self.bn2, self.bn3, self.bn4 = (
            ConditionalNorm(channels, width, config.n_classes, *sn, **options)
            for channels in (cin, hidden, hidden, hidden)
        )

    def forward(self, x: Tensor, normalise: Callable[[int, ConditionalNorm, Tensor], Tensor]) -> Tensor:
        """Apply the block.

        Args:
            x: (N, cin, h, w).
            normalise: (index of the norm 0 to 3, the norm, its input) -> its output.
        """
        h = self.conv1(F.relu(normalise(0, self.bn1, x)))
        h = F.relu(normalise(1, self.bn2, h))
        h = self.conv2.upsample_and_convolve(h) if self.enlarges else self.conv2(h)
        h = self.conv3(F.relu(normalise(2, self.bn3, h)))
        h = self.conv4(F.relu(normalise(3, self.bn4, h)))
        shortcut = x[:, : self.cout]
        return h + (F.interpolate(shortcut, scale_factor=2) if self.enlarges else shortcut)


def select_rgb(weight: Tensor) -> Tensor:
    return weight[:3]


class OutputConv(Conv):
    """Convolution to colours that uses three of the stored filters; the spectral norm is that of all filters."""

    def forward(self, x):
        return F.conv2d(x, self.normalised_weight(select_rgb), self.bias[:3], padding=1)


class BigGANDeep(Generator):
    """BigGAN-deep's generator, class-conditional.

    Latents: "z" (N, dim_z); "class", the shared embedding (N, shared_dim), or int64 labels (N,), which are embedded;
    with statistics for truncations, "truncation" (N,) in (0, 1], 1 if left out; optionally "norm[4k]" to "norm[4k + 3]"
    (N, 2, C), which replace the norms of block k.

    The norm of the output layer depends on the truncation too. It is applied at the end of the last block, so that the
    head needs nothing but its map.
    """

    def __init__(self, config: BigGANDeepConfig, classes: tuple[str, ...] = ()):
        super().__init__()
        self.config, self.depth = config, config.blocks
        sn = config.singular_values, config.sn_eps
        self.shared = nn.Embedding(config.n_classes, config.shared_dim)
        self.linear = Linear(config.shared_dim + config.dim_z, 16 * config.channels[0], *sn)
        self.blocks = nn.ModuleList()
        for k, (cin, cout) in enumerate(zip(config.channels[:-1], config.channels[1:], strict=True)):
            parts = [Block(cin, cout, k in config.enlarging, config)]
            if k in config.attention:
                parts.append(Attention(cout, *sn))
            self.blocks.append(nn.ModuleList(parts))
        last = config.channels[-1]
        norm = OutputNorm(last, config.output_eps, config.truncations)
        self.output_layer = nn.Sequential(norm, nn.ReLU(), OutputConv(last, config.output_filters, 3, *sn))
        if config.right_vectors:
            for layer in self.modules():
                if isinstance(layer, SpectralNorm):
                    layer.store_right_vector()
        latents = [LatentSpec("z", "z", (config.dim_z,)), LatentSpec("class", "class", (config.shared_dim,))]
        if config.truncations:
            latents.append(LatentSpec("truncation", "truncation", (), optimisable=False))
        names = classes or tuple(str(i) for i in range(config.n_classes))
        self.info = GeneratorInfo(
            "biggan-deep", config.resolution, tuple(latents), classes=names, config=asdict(config)
        )

    def sample(self, n, *, truncation=1.0, classes=None, generator=None):
        """Sample "z" (n, dim_z), "class" (n, shared_dim) and, with statistics for it, "truncation" (n,).

        z is multiplied by the truncation, and batch norms use its statistics.
        """
        z = sample_normal(n, self.config.dim_z, truncation, generator)
        labels = choose_labels(n, classes, self.config.n_classes, generator)
        latents = {"z": z.to(self.device, self.linear.weight.dtype), "class": self.embed(labels)}
        if self.config.truncations:
            latents["truncation"] = torch.full((n,), min(float(truncation), 1.0), device=self.device)
        return latents

    def embed(self, labels):
        return self.shared(labels.to(self.device))

    def stem(self, latents):
        """Map class embedding and z linearly to (N, channels[0], 4, 4)."""
        h = self.linear(self._condition(latents))
        return State(h.view(len(h), -1, 4, 4))

    def block(self, k, state, latents):
        """Apply block k: (N, channels[k], h, w) -> (N, channels[k + 1], h, w), or twice the size."""
        condition, position = self._condition(latents), self._position(latents)

        def normalise(i: int, norm: ConditionalNorm, h: Tensor) -> Tensor:
            given = latents.get(f"norm[{NORMS_PER_BLOCK * k + i}]")
            return norm(h, condition, position) if given is None else instance_norm(h, given)

        return State(self._finish_block(k, self.blocks[k][0](state.hidden, normalise), position))

    def head(self, state):
        """Map (N, channels[-1], R, R) to the picture: ReLU, 3x3 convolution, tanh."""
        return torch.tanh(self.output_layer[2](F.relu(state.hidden)))

    def capture_norm(self, latents):
        """Return "norm[4k]" to "norm[4k + 3]" of every block k."""
        condition, position = self._condition(latents), self._position(latents)
        norms, h = {}, self.stem(latents).hidden

        def capture(_: int, norm: ConditionalNorm, h: Tensor) -> Tensor:
            own = norms[f"norm[{len(norms)}]"] = match_instance_norm(norm(h, condition, position))
            return instance_norm(h, own)

        for k in range(self.depth):
            h = self._finish_block(k, self.blocks[k][0](h, capture), position)
        return norms

    def groups(self):
        groups = [ParameterGroup("linear", self.parameter_names("linear."))]
        for first, last in self._levels():
            name = f"blocks.{first}" if first == last else f"blocks.{first}-{last}"
            groups.append(ParameterGroup(name, self.parameter_names(*(f"blocks.{k}." for k in range(first, last + 1)))))
        groups.append(
            ParameterGroup("output_layer", self.parameter_names("output_layer."), head=True, progressive=False)
        )
        groups.append(ParameterGroup("shared", self.parameter_names("shared."), progressive=False))
        return groups

    def _levels(self) -> list[tuple[int, int]]:
        """Return (first, last) block of each size.

        Blocks of one size are released together, so that a number of groups means the same as in BigGAN, which has one
        block for each size.
        """
        ends = sorted({*self.config.enlarging, self.depth - 1})
        return [(before + 1, end) for before, end in zip([-1, *ends], ends, strict=False)]

    def _condition(self, latents: dict[str, Tensor]) -> Tensor:
        """Return the input of the stem and of all conditional norms: the class embedding, then z."""
        y = latents["class"]
        return torch.cat([y if y.is_floating_point() else self.shared(y), latents["z"]], 1)

    def _position(self, latents: dict[str, Tensor]) -> TruncationPosition:
        if not self.config.truncations or "truncation" not in latents:
            return None
        return locate_truncation(latents["truncation"], self.config.truncations, self.config.interpolation == "swapped")

    def _finish_block(self, k: int, h: Tensor, position: TruncationPosition) -> Tensor:
        """Apply what follows the residual block in block k: attention, and in the last block the output norm."""
        h = self.blocks[k][1](h) if len(self.blocks[k]) > 1 else h
        return self.output_layer[0](h, position) if k == self.depth - 1 else h
