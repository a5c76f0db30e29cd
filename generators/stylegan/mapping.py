"""The mapping network of StyleGAN2 and StyleGAN3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generators.stylegan.ops import Dense, scaled_leaky_relu

SECOND_MOMENT_EPS = 1e-8


def normalise_second_moment(x: Tensor) -> Tensor:
    """Divide x (N, dim) by its root mean square."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + SECOND_MOMENT_EPS)


class Mapping(nn.Module):
    """Mapping network from z (N, z_dim) and class embedding (N, embed_dim) to w (N, w_dim).

    See Karras et al. 2019, section 2. Both inputs are normalised. Either may be absent: z with z_dim 0 (in
    discriminators), the class with n_classes 0.

    Args:
        z_dim: size of z.
        w_dim: size of w.
        layers: number of layers.
        width: of hidden layers; None for ``w_dim``.
        n_classes: number of classes.
        embed_dim: width of the class embedding.
        rate: learning rate multiplier, by which the stored weights are divided.
        mean: whether the mean of w is stored, as ``w_avg``.
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
        """Embed labels int64 (N,) to (N, embed_dim); embeddings are returned as they are."""
        if classes.is_floating_point():
            return classes
        # Equal to the linear layer applied to one-hot vectors.
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
