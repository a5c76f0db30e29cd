"""Distances between discriminator features of the lifted prediction and of the lifted observation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor

from dgp.losses.cosine import turned
from dgp.losses.feature_networks import resized
from dgp.losses.prediction import View
from dgp.losses.terms import TERMS, Term, per_row


class FeatureTerm(Term):
    """The sum of a distance over features, at one scale or several (Wang et al. 2018, pix2pixHD: the mean of them).

    drop: how many of the shallowest features are left out.
    last: only so many of the deepest features (after ``drop``); all if absent.
    rectify_last: the deepest map is read after its ReLU, as an in-place activation leaves it in the published code.
    scales: scale s shows the discriminator pictures averaged over 2^s x 2^s pixels and brought back to its size.
    noisy: factor of the rows whose degradation states its noise: a discriminator takes the noise of the observation
        for structure, and released layers learn to draw it.
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

    def fitted(self, prior):
        # A recipe that drops the shallowest features means to keep some.
        least = max(prior.feature_count - 1, 0)
        return self if self.drop <= least else self.model_copy(update={"drop": least})

    def refuse(self, prior):
        if prior.discriminator is None:
            return f"{self.name}: the prior {prior.name!r} has no discriminator; use lpips, mse or l1"
        most = prior.generator.info.resolution.bit_length()
        if self.scales > most:
            return f"{self.name}: got {self.scales} scales, of {prior.generator.info.resolution} px at most {most}"
        return None

    def distance(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """Of one feature, maps (N, C, h, w) or vectors (N, C): (N,)."""
        raise NotImplementedError

    def __call__(self, view):
        noisy = [part.operator.noise is not None for part in view.parts]
        if self.noisy == 1 or not any(noisy):
            return self._distances(view)
        if all(noisy) and not self.noisy:
            return view.image.new_zeros(len(view.image))
        factors = [self.noisy if one else 1.0 for one in noisy]
        parts = zip(view.parts, factors, strict=True)
        every = view.join([(part.rows, view.image.new_full((len(part.rows),), factor)) for part, factor in parts])
        return every * self._distances(view)

    def _distances(self, view: View) -> Tensor:
        total = 0
        for scale in range(self.scales):
            ours, theirs = features_at(view, scale)
            total = total + sum(self.distance(a, b) for a, b in self._chosen(ours, theirs))
        return total / self.scales

    def _chosen(self, ours: list[Tensor], theirs: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        pairs = list(zip(ours, theirs, strict=True))
        if self.rectify_last and len(pairs) > 1:
            pairs[-2] = tuple(found.relu() for found in pairs[-2])
        return pairs[self.drop :][-self.last if self.last else 0 :]


def features_at(view: View, scale: int) -> tuple[list[Tensor], list[Tensor]]:
    """Discriminator features of predictions and of observations, shallow to deep, each (N, ...)."""
    if scale == 0:
        return view.features, view.target_features
    seen = lambda pictures: view.targets.discriminator.features(coarse(pictures, scale))  # noqa: E731
    known = view.targets.cached(("discriminator", scale), seen)
    index = view.targets.moved(view.pictures)
    return seen(view.lifted), [found[index] for found in known]


def coarse(pictures: Tensor, scale: int) -> Tensor:
    """(N, 3, R, R), averaged over 2^scale x 2^scale pixels and enlarged again."""
    return resized(F.avg_pool2d(pictures, 2**scale), tuple(pictures.shape[-2:]))


@TERMS.register("features")
class Features(FeatureTerm):
    """The mean absolute difference of each feature (Pan et al. 2020, eq. 5)."""

    kind: str = "features"

    def distance(self, ours, theirs):
        return per_row((ours - theirs).abs())


@TERMS.register("features-cosine")
class CosineFeatures(FeatureTerm):
    """1 - cosine of the feature vectors at each position, the mean over positions."""

    kind: str = "features-cosine"

    def distance(self, ours, theirs):
        return per_row(turned(ours, theirs, 1)[:, None])


@TERMS.register("features-decoupled")
class DecoupledFeatures(FeatureTerm):
    """Lengths and directions of the feature vectors apart (Liu et al. 2018, Decoupled Networks): the mean over
    positions of the absolute difference of their norms, over the observation's mean norm, and of 1 - cosine.

    norm, angle: the weights of the two.
    """

    kind: str = "features-decoupled"
    norm: NonNegativeFloat = 1.0
    angle: NonNegativeFloat = 1.0

    def distance(self, ours, theirs):
        mine, other = (torch.linalg.vector_norm(found, dim=1, keepdim=True) for found in (ours, theirs))
        usual = per_row(other)
        longer = per_row((mine - other).abs()) / torch.where(usual > 0, usual, 1.0)
        return self.norm * longer + self.angle * per_row(turned(ours, theirs, 1)[:, None])
