"""EfficientNet-Lite0 as a feature network. Its distance is not LPIPS: no weights of it were fitted to judgements."""

from __future__ import annotations

import functools

import torch.nn.functional as F
from torch import Tensor

from dgp.losses.cosine import normalize
from dgp.losses.feature_networks import weight_files
from dgp.losses.feature_networks.efficientnet_lite import EfficientNetLite, read_efficientnet_lite
from dgp.losses.feature_networks.network import FeatureNetwork
from generators.model_zoo import PUBLIC
from generators.progress import waiting

NAME = "efficientnet-lite0"
# Sides in pixels between which pictures are compared; chosen by benchmarks/quality/trunk.py. At 192 px a forward and
# backward pass takes 0.07 s of a CPU's core, at 1024 px 3.7 s.
SMALLEST, LARGEST = 64, 192


def explain_absence() -> str | None:
    """Return why EfficientNet-Lite0 cannot be used on this machine, in a few words; None if it can."""
    return weight_files.explain_absence(NAME, PUBLIC[NAME].directory())


@functools.cache
def load_efficientnet(device: str = "cpu") -> EfficientNetLite:
    """Return EfficientNet-Lite0 with its published weights, frozen.

    Raises:
        ValueError: its weights are not on this machine (`explain_absence`).
    """
    if why := explain_absence():
        raise ValueError(why)
    published = PUBLIC[NAME]
    with waiting("loading EfficientNet-Lite0"):
        return read_efficientnet_lite(published.directory() / published.files[0].name).to(device)


class EfficientNetNetwork(FeatureNetwork):
    """The last rectified maps of EfficientNet-Lite0 at its five resolutions, every channel of weight 1.

    Pictures whose longer side exceeds ``LARGEST`` are averaged by area, those whose shorter side is below
    ``SMALLEST`` are enlarged bilinearly.
    """

    least_side = 1
    resizes = True

    def __init__(self, network: EfficientNetLite):
        self.network = network

    def maps(self, pictures):
        return [normalize(found, 1) for found in self.network.features(to_input(fit_size(pictures)))]


def fit_size(pictures: Tensor) -> Tensor:
    """Return pictures (N, 3, h, w), resized in their proportions if they are too large or too small."""
    height, width = pictures.shape[-2:]
    if max(height, width) > LARGEST:
        scale = LARGEST / max(height, width)
        return F.adaptive_avg_pool2d(pictures, (max(1, round(height * scale)), max(1, round(width * scale))))
    if min(height, width) < SMALLEST:
        scale = SMALLEST / min(height, width)
        size = (round(height * scale), round(width * scale))
        return F.interpolate(pictures, size=size, mode="bilinear", align_corners=False)
    return pictures


def to_input(pictures: Tensor) -> Tensor:
    """Return the network's input, (v - 127) / 128 of values v in 0..255, of pictures in [-1, 1]."""
    return pictures * (127.5 / 128) + 0.5 / 128
