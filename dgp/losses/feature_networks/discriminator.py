"""The prior's discriminator as a feature network."""

from __future__ import annotations

from torch import Tensor

from dgp.losses.cosine import normalize
from dgp.losses.feature_networks.network import FeatureNetwork
from dgp.observation.batch import ObservationBatch


class DiscriminatorNetwork(FeatureNetwork):
    """The prior's discriminator: its maps before activation, and the pooled vector.

    Pictures are resized to the discriminator's size.
    """

    least_side = 1
    resizes = True

    def __init__(self, batch: ObservationBatch):
        self.batch = batch

    def maps(self, pictures):
        return self._normalize(self.batch.extract_features(pictures))

    def maps_of_prediction(self, prediction):
        return self._normalize(prediction.features)

    def _normalize(self, features: list[Tensor]) -> list[Tensor]:
        return [normalize(one if one.ndim == 4 else one[:, :, None, None], 1) for one in features]
