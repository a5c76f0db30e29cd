"""BigGAN networks with random weights, for measurements of time: the values do not change the cost."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from generators import ModelCard, Prior
from generators.biggan import BigGAN, BigGANConfig, BigGANDiscriminator, DiscriminatorConfig
from generators.random_init import store_batch_statistics


@torch.no_grad()
def randomise(network: torch.nn.Module, seed: int) -> None:
    """Fill a network with independent normal weights, and `u0` by three steps of the power method.

    Orthogonal weights, as in training, would take minutes at full size.
    """
    random = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if parameter.ndim >= 2:
            spread = math.prod(parameter.shape[1:]) ** -0.5
            parameter.copy_(spread * torch.randn(parameter.shape, generator=random))
        elif "gamma" in name:
            parameter.fill_(0.5)
        elif "gain" not in name:
            parameter.zero_()
    for layer in network.modules():
        if hasattr(layer, "u0"):
            matrix, u = layer.weight.flatten(1), torch.randn(layer.u0.shape, generator=random)
            for _ in range(3):
                u = F.normalize(F.normalize(u @ matrix) @ matrix.t())
            layer.u0.copy_(u)


def random_prior(resolution: int, ch: int, attention: int) -> Prior:
    """Return BigGAN and its discriminator with random weights, as wide as the published ones except for ``ch``.

    Args:
        resolution: 64, 128 or 256 pixels.
        ch: channel multiplier; the published networks have 96.
        attention: side in pixels of the feature map that has self-attention.
    """
    blocks = int(math.log2(resolution)) - 2
    dim_z = 120 // (blocks + 1) * (blocks + 1)
    generator = BigGAN(
        BigGANConfig(resolution, ch, dim_z, n_classes=1000, shared_dim=128, attention=(int(math.log2(attention)) - 3,))
    )
    discriminator = BigGANDiscriminator(
        DiscriminatorConfig(resolution, ch, n_classes=1000, attention=(int(math.log2(resolution // attention)) - 1,))
    )
    randomise(generator, 1)
    randomise(discriminator, 2)
    store_batch_statistics(generator, 3, rows=4)
    return Prior("benchmark", generator, discriminator, ModelCard("benchmark"), sha256="")
