"""The tower of residual blocks and the projection head that the discriminators of BigGAN and BigGAN-deep share."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from generators.base import Discriminator
from generators.nn.spectral_norm import Embedding, Linear


class ProjectionDiscriminator(Discriminator):
    """A residual tower whose maps are the features, with a projection head (Miyato and Koyama 2018, equation 3).

    With phi the sum of ``relu(h)`` over the positions of the last map h, and y the class:

        logit = linear(phi) + <embed(y), phi>

    Without a class the second summand is left out. Subclasses fill ``blocks`` with lists of layers.
    """

    blocks: nn.ModuleList
    linear: Linear
    embed: Embedding

    def enter(self, x: Tensor) -> Tensor:
        """Return what enters the first block, for pictures (N, 3, R, R)."""
        return x

    def features(self, x, classes=None):
        x, maps = self.enter(x), []
        for layers in self.blocks:
            for layer in layers:
                x = layer(x)
                maps.append(x)
        return [*maps, F.relu(x).sum((2, 3))]

    def logit(self, x, classes=None):
        pooled = self.features(x)[-1]
        logit = self.linear(pooled)
        return logit if classes is None else logit + (self.embed(classes) * pooled).sum(1, keepdim=True)
