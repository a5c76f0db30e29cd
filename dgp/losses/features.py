"""Distances between discriminator features of the lifted prediction and of the lifted observation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor

from dgp.losses.cosine import cosine_distance
from dgp.losses.prediction import Prediction, mean_per_row
from dgp.losses.terms import TERMS, Term
from dgp.observation.resizing import resize


class FeatureTerm(Term):
    """L = sum_j d(D_j(x), D_j(y)) over features D_j; the mean over scales (Wang et al. 2018, pix2pixHD).

    A subclass defines ``distance``, the d of one feature.

    drop: number of the shallowest features to leave out.
    last: number of the deepest features to use, after ``drop``; all if absent.
    rectify_last: read the deepest map after its ReLU, as an in-place activation leaves it in the published code.
    scales: number of scales; at scale s the discriminator sees pictures averaged over 2^s x 2^s pixels and enlarged.
    noisy: factor for rows whose degradation states its noise. The discriminator reads the noise of the observation as
        structure, which released layers would learn to draw.
    """

    drop: NonNegativeInt = 0
    last: PositiveInt | None = None
    rectify_last: bool = True
    scales: PositiveInt = 1
    noisy: NonNegativeFloat = 1.0

    @property
    def networks(self):
        coarse = (f"discriminator at 1/{2**scale}" for scale in range(1, self.scales))
        return ("discriminator", *coarse)

    def adapt(self, prior):
        # On a smaller network a recipe that drops the shallowest features still keeps one.
        most = max(prior.feature_count - 1, 0)
        return self if self.drop <= most else self.model_copy(update={"drop": most})

    def find_obstacle(self, prior):
        if prior.discriminator is None:
            return f"{self.name}: the prior {prior.name!r} has no discriminator; use lpips, mse or l1"
        most = prior.generator.info.resolution.bit_length()
        if self.scales > most:
            return f"{self.name}: got {self.scales} scales, of {prior.generator.info.resolution} px at most {most}"
        return None

    def distance(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Return the distance of one feature, maps (N, C, h, w) or vectors (N, C), for each row: (N,)."""
        raise NotImplementedError

    def __call__(self, prediction):
        noisy = [group.operator.noise is not None for group in prediction.groups]
        if self.noisy == 1 or not any(noisy):
            return self._sum_over_features(prediction)
        if all(noisy) and not self.noisy:
            return prediction.image.new_zeros(len(prediction.image))
        factors = [self.noisy if one else 1.0 for one in noisy]
        pairs = zip(prediction.groups, factors, strict=True)
        parts = [(group.rows, prediction.image.new_full((len(group.rows),), factor)) for group, factor in pairs]
        return prediction.assemble(parts) * self._sum_over_features(prediction)

    def _sum_over_features(self, prediction: Prediction) -> Tensor:
        total = 0
        for scale in range(self.scales):
            ours, theirs = features_at_scale(prediction, scale)
            total = total + sum(self.distance(a, b) for a, b in self._select(ours, theirs))
        return total / self.scales

    def _select(self, ours: list[Tensor], theirs: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        pairs = list(zip(ours, theirs, strict=True))
        if self.rectify_last and len(pairs) > 1:
            pairs[-2] = tuple(feature.relu() for feature in pairs[-2])
        return pairs[self.drop :][-self.last if self.last else 0 :]


def features_at_scale(prediction: Prediction, scale: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return discriminator features of predictions and of observations, shallow to deep, each (N, ...)."""
    if scale == 0:
        return prediction.features, prediction.target_features
    batch = prediction.batch
    extract = lambda pictures: batch.discriminator.features(coarsen(batch.fit_discriminator(pictures), scale))  # noqa: E731
    targets = batch.cache_of_observations(("discriminator", scale), extract)
    index = batch.to_device(prediction.pictures)
    return extract(prediction.lifted), [feature[index] for feature in targets]


def coarsen(pictures: Tensor, scale: int) -> Tensor:
    """Return pictures (N, 3, R, R) averaged over 2^scale x 2^scale pixels and enlarged to their size."""
    return resize(F.avg_pool2d(pictures, 2**scale), tuple(pictures.shape[-2:]))


@TERMS.register("features")
class Features(FeatureTerm):
    """L = sum_j mean |D_j(x) - D_j(y)| over discriminator features (Pan et al. 2020, eq. 5)."""

    kind: str = "features"

    def distance(self, ours, theirs):
        return mean_per_row((ours - theirs).abs())


@TERMS.register("features-cosine")
class CosineFeatures(FeatureTerm):
    """L = sum_j mean (1 - cos(D_j(x), D_j(y))) over the feature vectors at each position."""

    kind: str = "features-cosine"

    def distance(self, ours, theirs):
        return mean_per_row(cosine_distance(ours, theirs, 1)[:, None])


@TERMS.register("features-decoupled")
class DecoupledFeatures(FeatureTerm):
    """Lengths and directions of feature vectors, compared apart (Liu et al. 2018, Decoupled Networks).

    The mean over positions of | ||a|| - ||b|| | / mean ||b||, times ``norm``, plus that of 1 - cos(a, b), times
    ``angle``; a of the prediction, b of the observation.
    """

    kind: str = "features-decoupled"
    norm: NonNegativeFloat = 1.0
    angle: NonNegativeFloat = 1.0

    def distance(self, ours, theirs):
        mine, other = (torch.linalg.vector_norm(feature, dim=1, keepdim=True) for feature in (ours, theirs))
        usual = mean_per_row(other)
        lengths = mean_per_row((mine - other).abs()) / torch.where(usual > 0, usual, 1.0)
        return self.norm * lengths + self.angle * mean_per_row(cosine_distance(ours, theirs, 1)[:, None])
