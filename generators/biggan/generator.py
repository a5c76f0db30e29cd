"""BigGAN's generator (Brock et al. 2019, appendix B), with the parameter names of the authors' release."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import Generator, GeneratorInfo, ParameterGroup, State
from generators.biggan.layers import Attention, ConditionalNorm, OutputNorm, match_instance_norm
from generators.latents import LatentSpec, choose_labels, sample_normal
from generators.nn.instance_norm import instance_norm
from generators.nn.spectral_norm import Conv, Linear

# By resolution: channels entering the first block and leaving each block, in multiples of ch.
CHANNELS = {
    32: (4, (4, 4, 4)),
    64: (16, (16, 8, 4, 2)),
    128: (16, (16, 8, 4, 2, 1)),
    256: (16, (16, 8, 8, 4, 2, 1)),
    512: (16, (16, 8, 8, 4, 2, 1, 1)),
}


@dataclass(frozen=True)
class BigGANConfig:
    """Configuration of a BigGAN generator. All but the epsilons can be inferred from a checkpoint's shapes.

    Attributes:
        resolution: pixels a side, a key of ``CHANNELS``.
        ch: channel multiplier.
        dim_z: size of z.
        n_classes: number of classes.
        shared_dim: width of the class embedding, None where each norm has its own.
        hier: whether every block receives a chunk of z.
        attention: blocks that end with attention.
        singular_values: how many are stored, 0 without spectral norm.
        sn_eps: epsilon of spectral norms.
        bn_eps: epsilon of batch norms.
    """

    resolution: int
    ch: int
    dim_z: int
    n_classes: int
    shared_dim: int | None
    hier: bool = True
    attention: tuple[int, ...] = ()
    singular_values: int = 1
    sn_eps: float = 1e-6
    bn_eps: float = 1e-5

    @property
    def blocks(self) -> int:
        return len(CHANNELS[self.resolution][1])

    @property
    def chunk(self) -> int:
        """Size of the part of z that the first linear layer, and with ``hier`` each block, receives."""
        return self.dim_z // (self.blocks + 1) if self.hier else self.dim_z


class Block(nn.Module):
    """Residual block that doubles the size."""

    def __init__(self, cin: int, cout: int, width: int | None, config: BigGANConfig):
        super().__init__()
        sn = config.singular_values, config.sn_eps
        self.conv1, self.conv2, self.conv_sc = (
            Conv(cin, cout, 3, *sn),
            Conv(cout, cout, 3, *sn),
            Conv(cin, cout, 1, *sn),
        )
        self.bn1 = ConditionalNorm(cin, width, config.n_classes, *sn, bn_eps=config.bn_eps)
        self.bn2 = ConditionalNorm(cout, width, config.n_classes, *sn, bn_eps=config.bn_eps)

    def forward(self, x: Tensor, condition: Tensor, norms: tuple[Tensor | None, Tensor | None]) -> Tensor:
        """Apply the block.

        Args:
            x: (N, cin, h, w).
            condition: input of the conditional norms.
            norms: replacements of bn1 and bn2, each (N, 2, C) or None.

        Returns:
            (N, cout, 2h, 2w).
        """
        h = self.bn1(x, condition) if norms[0] is None else instance_norm(x, norms[0])
        h = self.activate_and_upsample(h)
        h = self.bn2(h, condition) if norms[1] is None else instance_norm(h, norms[1])
        return self.add_shortcut(h, x)

    def capture(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Apply the block with batch norms replaced by equivalent instance norms, each as soon as it is known.

        Returns:
            (output, norm for bn1, norm for bn2).
        """
        first = match_instance_norm(self.bn1(x, condition))
        h = self.activate_and_upsample(instance_norm(x, first))
        second = match_instance_norm(self.bn2(h, condition))
        return self.add_shortcut(instance_norm(h, second), x), first, second

    def activate_and_upsample(self, h: Tensor) -> Tensor:
        return self.conv1.upsample_and_convolve(F.relu(h))

    def add_shortcut(self, h: Tensor, x: Tensor) -> Tensor:
        # A 1x1 convolution commutes with nearest-neighbour upsampling, and before it costs a quarter.
        return self.conv2(F.relu(h)) + F.interpolate(self.conv_sc(x), scale_factor=2)


class BigGAN(Generator):
    """BigGAN's generator, class-conditional.

    Latents: "z" (N, dim_z); "class", the shared embedding (N, shared_dim), or int64 labels (N,), which are embedded
    where there is an embedding; optionally "norm[2k]" and "norm[2k + 1]" (N, 2, C), which replace the norms of block k.
    """

    def __init__(self, config: BigGANConfig, classes: tuple[str, ...] = ()):
        super().__init__()
        self.config, self.depth = config, config.blocks
        first, outs = CHANNELS[config.resolution]
        ins = (first, *outs[:-1])
        sn = config.singular_values, config.sn_eps
        width = None
        if config.shared_dim is not None:
            self.shared = nn.Embedding(config.n_classes, config.shared_dim)
            width = config.shared_dim + (config.chunk if config.hier else 0)
        self.linear = Linear(config.chunk, 16 * first * config.ch, *sn)
        self.blocks = nn.ModuleList()
        for k, (cin, cout) in enumerate(zip(ins, outs, strict=True)):
            parts = [Block(cin * config.ch, cout * config.ch, width, config)]
            if k in config.attention:
                parts.append(Attention(cout * config.ch, *sn))
            self.blocks.append(nn.ModuleList(parts))
        last = outs[-1] * config.ch
        self.output_layer = nn.Sequential(OutputNorm(last), nn.ReLU(), Conv(last, 3, 3, *sn))
        embedding = (
            LatentSpec("class", "class", (config.shared_dim,))
            if config.shared_dim is not None
            else LatentSpec("class", "class", (), optimisable=False)
        )
        names = classes or tuple(str(i) for i in range(config.n_classes))
        self.info = GeneratorInfo(
            "biggan",
            config.resolution,
            (LatentSpec("z", "z", (config.dim_z,)), embedding),
            classes=names,
            config=asdict(config),
        )

    def sample(self, n, *, truncation=1.0, classes=None, generator=None):
        """Sample "z" (n, dim_z) and "class" (n, shared_dim); z is truncated if ``truncation`` < 1."""
        z = sample_normal(n, self.config.dim_z, truncation, generator)
        labels = choose_labels(n, classes, self.config.n_classes, generator)
        device, dtype = self.linear.weight.device, self.linear.weight.dtype
        return {"z": z.to(device, dtype), "class": self.embed(labels)}

    def embed(self, labels):
        labels = labels.to(self.linear.weight.device)
        return labels.clone() if self.config.shared_dim is None else self.shared(labels)

    def stem(self, latents):
        """Map the first chunk of z linearly to (N, first * ch, 4, 4), where first is in ``CHANNELS``."""
        h = self.linear(latents["z"][:, : self.config.chunk])
        return State(h.view(len(h), -1, 4, 4))

    def block(self, k, state, latents):
        """Apply block k: (N, cin, h, w) -> (N, cout, 2h, 2w)."""
        norms = latents.get(f"norm[{2 * k}]"), latents.get(f"norm[{2 * k + 1}]")
        h = self.blocks[k][0](state.hidden, self._condition(k, latents), norms)
        return State(self._attend(k, h))

    def head(self, state):
        """Map (N, ch, R, R) to the picture: batch norm, ReLU, 3x3 convolution, tanh."""
        return torch.tanh(self.output_layer(state.hidden))

    def _condition(self, k: int, latents: dict[str, Tensor]) -> Tensor:
        """Return the input of the conditional norms of block k: the class embedding, then the block's chunk of z."""
        y = latents["class"]
        if self.config.shared_dim is not None and not y.is_floating_point():
            y = self.shared(y)
        if not self.config.hier:
            return y
        chunk = self.config.chunk
        return torch.cat([y, latents["z"][:, (k + 1) * chunk : (k + 2) * chunk]], 1)

    def _attend(self, k: int, h: Tensor) -> Tensor:
        return self.blocks[k][1](h) if len(self.blocks[k]) > 1 else h

    def capture_norm(self, latents):
        """Return "norm[2k]" and "norm[2k + 1]" of every block k (Pan et al. 2020, in the published code)."""
        norms, h = {}, self.stem(latents).hidden
        for k in range(self.depth):
            h, norms[f"norm[{2 * k}]"], norms[f"norm[{2 * k + 1}]"] = self.blocks[k][0].capture(
                h, self._condition(k, latents)
            )
            h = self._attend(k, h)
        return norms

    def groups(self):
        groups = [ParameterGroup("linear", self.parameter_names("linear."))]
        groups += [ParameterGroup(f"blocks.{k}", self.parameter_names(f"blocks.{k}.")) for k in range(self.depth)]
        groups.append(
            ParameterGroup("output_layer", self.parameter_names("output_layer."), head=True, progressive=False)
        )
        if self.config.shared_dim is not None:
            groups.append(ParameterGroup("shared", self.parameter_names("shared."), progressive=False))
        return groups
