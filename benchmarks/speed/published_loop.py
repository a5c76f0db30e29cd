"""The published DGP loop, written from its description: the reference for ``benchmarks/speed/step.py``.

Colourisation by Pan et al. 2020 on BigGAN (Brock et al. 2019), with everything that determines the cost of the
published loop: spectral normalisation in every forward pass of every layer, all parameters of both networks in the
graph (gradients of the discriminator are computed and never zeroed), features of the target computed again in every
iteration, candidates one at a time, moments of all groups from the first iteration on. Its metrics in every iteration,
whose cost is negligible on a CPU, are left out. Nothing is imported from ``generators`` or ``dgp``, so that the
reference is independent of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# resolution -> channels, as multiples of ch: of the input of the first block, of the output of each block
GENERATOR = {64: (16, (16, 8, 4, 2)), 128: (16, (16, 8, 4, 2, 1)), 256: (16, (16, 8, 8, 4, 2, 1))}
DISCRIMINATOR = {64: (1, 2, 4, 8, 16), 128: (1, 2, 4, 8, 16, 16), 256: (1, 2, 4, 8, 8, 16, 16)}
SN_EPS, BN_EPS = 1e-6, 1e-5
ADAM = {"betas": (0.0, 0.999), "eps": 1e-8}


class SpectralNorm:
    """A layer that divides its weight by its largest singular value in every forward pass, with gradients."""

    def register_buffers(self, rows: int) -> None:
        self.register_buffer("u0", torch.randn(1, rows))
        self.register_buffer("sv0", torch.ones(1))

    def normalized_weight(self) -> Tensor:
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = F.normalize(self.u0 @ matrix, eps=SN_EPS)
            u = F.normalize(v @ matrix.t(), eps=SN_EPS)
        return self.weight / (v @ matrix.t() @ u.t()).squeeze()


class Conv(SpectralNorm, nn.Conv2d):
    def __init__(self, cin: int, cout: int, kernel: int, bias: bool = True):
        nn.Conv2d.__init__(self, cin, cout, kernel, padding=kernel // 2, bias=bias)
        self.register_buffers(cout)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.normalized_weight(), self.bias, padding=self.padding)


class Linear(SpectralNorm, nn.Linear):
    def __init__(self, cin: int, cout: int, bias: bool = True):
        nn.Linear.__init__(self, cin, cout, bias)
        self.register_buffers(cout)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.normalized_weight(), self.bias)


class Embedding(SpectralNorm, nn.Embedding):
    """The discriminator's class embedding: part of its state, but not used in this loop."""

    def __init__(self, count: int, width: int):
        nn.Embedding.__init__(self, count, width)
        self.register_buffers(count)


class Attention(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.theta, self.phi = (Conv(channels, channels // 8, 1, bias=False) for _ in range(2))
        self.g, self.o = Conv(channels, channels // 2, 1, bias=False), Conv(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor) -> Tensor:
        theta = self.theta(x).flatten(2)
        phi, g = F.max_pool2d(self.phi(x), 2).flatten(2), F.max_pool2d(self.g(x), 2).flatten(2)
        beta = F.softmax(torch.bmm(theta.transpose(1, 2), phi), -1)
        attended = torch.bmm(g, beta.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        return self.gamma * self.o(attended) + x


class ConditionalNorm(nn.Module):
    def __init__(self, channels: int, width: int):
        super().__init__()
        self.gain, self.bias = Linear(width, channels, bias=False), Linear(width, channels, bias=False)
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = 1 + self.gain(condition), self.bias(condition)
        h = F.batch_norm(x, self.stored_mean, self.stored_var, eps=BN_EPS)
        return h * gain[..., None, None] + bias[..., None, None]


class OutputNorm(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.stored_mean, self.stored_var, self.gain, self.bias, eps=BN_EPS)


class Up(nn.Module):
    def __init__(self, cin: int, cout: int, width: int):
        super().__init__()
        self.conv1, self.conv2, self.conv_sc = Conv(cin, cout, 3), Conv(cout, cout, 3), Conv(cin, cout, 1)
        self.bn1, self.bn2 = ConditionalNorm(cin, width), ConditionalNorm(cout, width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(F.interpolate(F.relu_(self.bn1(x, condition)), scale_factor=2))
        h = self.conv2(F.relu_(self.bn2(h, condition)))
        return h + self.conv_sc(F.interpolate(x, scale_factor=2))


class Generator(nn.Module):
    """BigGAN's generator, with a shared class embedding, and a chunk of z for the first layer and for every block.

    Args:
        resolution: 64, 128 or 256.
        ch: channel multiplier.
        dim_z: dimension of z.
        n_classes: number of classes.
        shared_dim: dimension of the class embedding.
        attention: the resolution of the block that is followed by self-attention.
    """

    def __init__(
        self,
        resolution: int,
        ch: int,
        dim_z: int = 120,
        n_classes: int = 1000,
        shared_dim: int = 128,
        attention: int = 64,
    ):
        super().__init__()
        first, outs = GENERATOR[resolution]
        self.chunk = dim_z // (len(outs) + 1)
        self.shared = nn.Embedding(n_classes, shared_dim)
        self.linear = Linear(self.chunk, 16 * first * ch)
        self.blocks = nn.ModuleList()
        for k, (cin, cout) in enumerate(zip((first, *outs[:-1]), outs, strict=True)):
            parts = [Up(cin * ch, cout * ch, shared_dim + self.chunk)]
            if 8 * 2**k == attention:
                parts.append(Attention(cout * ch))
            self.blocks.append(nn.ModuleList(parts))
        last = outs[-1] * ch
        self.output_layer = nn.Sequential(OutputNorm(last), nn.ReLU(inplace=True), Conv(last, 3, 3))

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Generate pictures: z (N, dim_z), y (N, shared_dim) -> (N, 3, R, R) in [-1, 1]."""
        chunks = z.split(self.chunk, 1)
        h = self.linear(chunks[0]).view(len(z), -1, 4, 4)
        for parts, chunk in zip(self.blocks, chunks[1:], strict=True):
            h = parts[0](h, torch.cat([y, chunk], 1))
            for attention in parts[1:]:
                h = attention(h)
        return torch.tanh(self.output_layer(h))

    def groups(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the first linear layer and of each block; the output layer is never optimised."""
        return [list(self.linear.parameters()), *(list(parts.parameters()) for parts in self.blocks)]


class Down(nn.Module):
    def __init__(self, cin: int, cout: int, first: bool, down: bool):
        super().__init__()
        self.first, self.down = first, down
        self.conv1, self.conv2 = Conv(cin, cout, 3), Conv(cout, cout, 3)
        if cin != cout or down:
            self.conv_sc = Conv(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(F.relu_(self.conv1(x if self.first else F.relu(x))))
        return self.pool(h) + self.shortcut(x)

    def shortcut(self, x: Tensor) -> Tensor:
        if self.first:
            return self.conv_sc(self.pool(x))
        return self.pool(self.conv_sc(x) if hasattr(self, "conv_sc") else x)

    def pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) if self.down else x


class Discriminator(nn.Module):
    """BigGAN's discriminator; the arguments are those of the generator."""

    def __init__(self, resolution: int, ch: int, n_classes: int = 1000, attention: int = 64):
        super().__init__()
        outs = DISCRIMINATOR[resolution]
        self.blocks = nn.ModuleList()
        for k, cout in enumerate(outs):
            parts = [Down(outs[k - 1] * ch if k else 3, cout * ch, k == 0, k < len(outs) - 1)]
            if resolution // 2 ** (k + 1) == attention:
                parts.append(Attention(cout * ch))
            self.blocks.append(nn.ModuleList(parts))
        self.linear, self.embed = Linear(outs[-1] * ch, 1), Embedding(n_classes, outs[-1] * ch)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logit, and the features: maps after each part, the last one rectified, and the pooled vector."""
        maps = []
        for parts in self.blocks:
            for part in parts:
                x = part(x)
                maps.append(x)
        pooled = F.relu_(x).sum((2, 3))
        return self.linear(pooled), [*maps, pooled]


def degrade(x: Tensor) -> Tensor:
    """Degrade pictures: (N, 3, R, R) -> the same shape, with the luma in every channel."""
    luma = 0.2989 * x[:, 0] + 0.5870 * x[:, 1] + 0.1140 * x[:, 2]
    return luma[:, None].repeat(1, 3, 1, 1)


@dataclass(frozen=True)
class Stage:
    """The settings of a stage.

    Attributes:
        groups: how many groups of layers are optimised, from the coarsest on.
        features: how many of the deepest features are compared.
        lr: learning rate of the coarsest group; group i has lr * ratio**i.
        z_lr: learning rate of z.
        ratio: ratio of the learning rates of successive groups.
    """

    groups: int
    features: int
    lr: float
    z_lr: float
    ratio: float


class PublishedLoop:
    """The loop for one picture.

    Args:
        G: the generator.
        D: the discriminator.
        target: (1, 3, R, R) in [-1, 1], in colour.
        z: (1, dim_z), the start.
        y: int64 (1,), the class.
        nll: weight of the prior on z.
    """

    def __init__(self, G: Generator, D: Discriminator, target: Tensor, z: Tensor, y: Tensor, nll: float = 0.02):
        self.G, self.D, self.y, self.nll = G.eval(), D.eval(), y, nll
        self.target = degrade(target)
        self.z = z.detach().clone().requires_grad_()
        self.optimizer = torch.optim.Adam([{"params": group} for group in G.groups()], lr=0.0, **ADAM)
        self.z_optimizer = torch.optim.Adam([self.z], lr=0.0, **ADAM)

    def features_l1(self, x: Tensor, count: int) -> Tensor:
        """Return the sum of the mean absolute differences of the ``count`` deepest features to those of the target."""
        with torch.no_grad():
            _, wanted = self.D(self.target)
        _, found = self.D(x)
        return sum((a - b).abs().mean() for a, b in zip(found[-count:], wanted[-count:], strict=True))

    @torch.no_grad()
    def scores(self, z: Tensor, y: Tensor) -> Tensor:
        """Score candidates one after another: z (M, dim_z), y int64 (M,) -> (M,), lower is better."""
        return torch.stack(
            [self.features_l1(degrade(self.G(z[i : i + 1], self.G.shared(y[i : i + 1]))), 3) for i in range(len(z))]
        )

    def step(self, stage: Stage) -> tuple[Tensor, float]:
        """Take a step; return the picture and the feature loss before it."""
        for i, group in enumerate(self.optimizer.param_groups):
            group["lr"] = stage.lr * stage.ratio**i if i < stage.groups else 0.0
        self.z_optimizer.param_groups[0]["lr"] = stage.z_lr
        self.optimizer.zero_grad()
        self.z_optimizer.zero_grad()
        x = self.G(self.z, self.G.shared(self.y))
        loss = self.features_l1(degrade(x), stage.features)
        (loss + self.nll * self.z.square().mean() / 2).backward()
        self.z_optimizer.step()
        self.optimizer.step()
        return x.detach(), loss.item()
