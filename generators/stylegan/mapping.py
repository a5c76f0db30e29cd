"""The mapping network, and the mean of what it gives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.stylegan.ops import Dense, scaled_leaky_relu

SECOND_MOMENT_EPS = 1e-8


def normalise_second_moment(x: Tensor) -> Tensor:
    """x (N, dim) over its root mean square."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + SECOND_MOMENT_EPS)


class Mapping(nn.Module):
    """z (N, z_dim) and the embedding of a class (N, embed_dim) -> w (N, w_dim), Karras et al. 2019, section 2.

    Each is normalised; either may be absent: z_dim 0 (the discriminators' mapping of the class), n_classes 0.
    rate: the learning rate multiplier that the stored weights are divided by.  mean: whether a mean w is stored.
    """

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        layers: int,
        *,
        width: int | None = None,
        n_classes: int = 0,
        embed_dim: int = 0,
        rate: float = 0.01,
        mean: bool = True,
    ):
        super().__init__()
        self.layers = layers
        if n_classes:
            self.embed = Dense(n_classes, embed_dim)
        widths = [z_dim + embed_dim, *[width or w_dim] * (layers - 1), w_dim]
        for i in range(layers):
            self.add_module(f"fc{i}", Dense(widths[i], widths[i + 1], rate))
        if mean:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def embed_classes(self, classes: Tensor) -> Tensor:
        """int64 (N,) -> (N, embed_dim); an embedding passes."""
        if classes.is_floating_point():
            return classes
        # A linear layer of one-hot vectors.
        picked, gains = F.embedding(classes, self.embed.weight.t()), self.embed.weight_gains()
        return picked * gains["weight"] + self.embed.bias * gains["bias"]

    def forward(self, z: Tensor | None, classes: Tensor | None) -> Tensor:
        given = [] if z is None else [normalise_second_moment(z)]
        device = self.fc0.weight.device.type
        with torch.autocast(device, enabled=False):
            if classes is not None:
                given.append(normalise_second_moment(self.embed_classes(classes)))
            x = torch.cat(given, 1)
            for i in range(self.layers):
                x = scaled_leaky_relu(getattr(self, f"fc{i}")(x))
        return x
