"""The interface of feature networks, and the distance between their maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from dgp.losses.prediction import Prediction


class FeatureNetwork:
    """A network whose feature maps are compared as LPIPS compares them (Zhang et al. 2018, eq. 1).

    Attributes:
        least_side: smallest picture side, in pixels.
        resizes: whether it resizes its input, so that small pictures cost as much as large ones.
    """

    least_side: int
    resizes = False

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Return feature maps (N, C, h', w') of pictures (N, 3, h, w) in [-1, 1], unit vectors along the channels."""
        raise NotImplementedError

    def maps_of_prediction(self, prediction: Prediction) -> list[Tensor]:
        """Return the ``maps`` of the lifted predictions."""
        return self.maps(prediction.lifted)

    def weigh(self, k: int, square: Tensor) -> Tensor:
        """Return the weighted sum over channels, (N, 1, h, w), of squared differences of map k, (N, C, h, w).

        Every channel has weight 1, unless the network has weights of its own.
        """
        return square.sum(1, keepdim=True)

    def distance(self, ours: list[Tensor], theirs: list[Tensor], weight: Tensor | None = None) -> Tensor:
        """Return the sum over maps of the mean over positions, (N,).

        Args:
            ours, theirs: what ``maps`` returned for N pictures each.
            weight: weights of positions, (N, 1, H, W); None: all alike.
        """
        pairs = enumerate(zip(ours, theirs, strict=True))
        return sum(mean_over_positions(self.weigh(k, (a - b).square()), weight) for k, (a, b) in pairs)


def mean_over_positions(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over positions, (N, 1, h, w) -> (N,), by weights (N, 1, H, W) averaged to the size (h, w)."""
    if weight is None:
        return values.flatten(1).mean(1)
    weight = F.adaptive_avg_pool2d(weight, values.shape[-2:])
    return (values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)
