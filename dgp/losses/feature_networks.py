"""Networks whose feature maps LPIPS compares: its own, and the prior's discriminator in their place."""

from __future__ import annotations

import functools
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dgp.files import sha256_of
from dgp.losses.cosine import normalize
from dgp.losses.prediction import Prediction
from dgp.observation.batch import ObservationBatch
from generators import Prior
from generators.model_zoo import PUBLIC, File
from generators.progress import waiting

NetworkName = Literal["alex", "vgg", "squeeze", "discriminator"]
PUBLISHED = {"alex": "lpips-alexnet", "vgg": "lpips-vgg16", "squeeze": "lpips-squeezenet"}
# Least picture side in pixels: below it a pooling layer would have no input.
LEAST_SIDE = {"alex": 31, "vgg": 16, "squeeze": 17, "discriminator": 1}


def explain_absence(name: str) -> str | None:
    """Return why LPIPS cannot use "alex", "vgg" or "squeeze" on this machine, in a few words; None if it can.

    The weights must be where torchvision keeps them, with the right hash; otherwise lpips would download them.
    """
    for package in ("lpips", "torchvision"):
        if find_spec(package) is None:
            return f"{package} is not installed; pip install lpips torchvision"
    published, path = _published(name), _path(name)
    if not path.is_file():
        return f"the trunk {published.name} of LPIPS is not in torch.hub's checkpoint folder, and nothing is downloaded"
    at = path.stat()
    if not _sha256(path, at.st_size, at.st_mtime_ns).startswith(published.sha256_prefix):
        return f"{published.name} in torch.hub's checkpoint folder is damaged: its sha256 is not what its name says"
    return None


def find_obstacle(term: str, name: str, prior: Prior) -> str | None:
    """Return why a term cannot use a feature network, in one line that says what to do; None if it can."""
    if name == "discriminator":
        if prior.discriminator is None:
            return f"{term}: the prior {prior.name!r} has no discriminator to look through; set trunk to alex or vgg"
        return None
    side = prior.generator.info.resolution
    if side < LEAST_SIDE[name]:
        why, ways = f"{side} px are too few for the {name} trunk, which needs {LEAST_SIDE[name]}", []
    elif why := explain_absence(name):
        ways = [f"`dgp priors fetch {PUBLISHED[name]}` gets it"]
    else:
        return None
    if prior.discriminator is not None:
        ways.insert(0, "--set trunk=discriminator puts the prior's discriminator in its place")
    return "; ".join([f"{term}: {why}", ", ".join(ways) or "leave the term out"])


@functools.cache
def load_lpips(name: str, device: str = "cpu") -> nn.Module:
    """Return LPIPS with the network of that name, version 0.1 of its weights (Zhang et al. 2018), frozen.

    Raises:
        ValueError: its weights are not on this machine (`explain_absence`).
    """
    if why := explain_absence(name):
        raise ValueError(why)
    with waiting("loading LPIPS"), warnings.catch_warnings():
        import lpips

        warnings.simplefilter("ignore")
        found = lpips.LPIPS(net=name, version="0.1", verbose=False)
    return found.eval().requires_grad_(False).to(device)


def _published(name: str) -> File:
    return PUBLIC[PUBLISHED[name]].files[0]


def _path(name: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / _published(name).name


@functools.cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Return the sha256 of a file; size and time of modification key the cache."""
    return sha256_of(path)


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
        """Return the weighted sum over channels, (N, 1, h, w), of squared differences of map k, (N, C, h, w)."""
        raise NotImplementedError

    def distance(self, ours: list[Tensor], theirs: list[Tensor], weight: Tensor | None = None) -> Tensor:
        """Return the sum over maps of the mean over positions, (N,).

        Args:
            ours, theirs: what ``maps`` returned for N pictures each.
            weight: weights of positions, (N, 1, H, W); None: all alike.
        """
        pairs = enumerate(zip(ours, theirs, strict=True))
        return sum(mean_over_positions(self.weigh(k, (a - b).square()), weight) for k, (a, b) in pairs)


class LpipsNetwork(FeatureNetwork):
    """LPIPS' own network and its learned channel weights."""

    def __init__(self, lpips: nn.Module, least_side: int):
        self.lpips, self.least_side = lpips, least_side

    def maps(self, pictures):
        return [normalize(feature, 1) for feature in self.lpips.net(self.lpips.scaling_layer(pictures))]

    def weigh(self, k, square):
        return self.lpips.lins[k](square)


class DiscriminatorNetwork(FeatureNetwork):
    """The prior's discriminator in the place of LPIPS' network: maps before activation and the pooled vector.

    Every channel has weight 1; pictures are resized to the discriminator's size.
    """

    least_side = LEAST_SIDE["discriminator"]
    resizes = True

    def __init__(self, batch: ObservationBatch):
        self.batch = batch

    def maps(self, pictures):
        return self._normalize(self.batch.extract_features(pictures))

    def maps_of_prediction(self, prediction):
        return self._normalize(prediction.features)

    def _normalize(self, features: list[Tensor]) -> list[Tensor]:
        return [normalize(one if one.ndim == 4 else one[:, :, None, None], 1) for one in features]

    def weigh(self, k, square):
        return square.sum(1, keepdim=True)


def find_network(name: str, prediction: Prediction) -> FeatureNetwork:
    """Return the network of a name on the device of the prediction.

    Raises:
        ValueError: its weights are not on this machine.
    """
    if name == "discriminator":
        return DiscriminatorNetwork(prediction.batch)
    return LpipsNetwork(load_lpips(name, str(prediction.image.device)), LEAST_SIDE[name])


def mean_over_positions(values: Tensor, weight: Tensor | None) -> Tensor:
    """Return the mean over positions, (N, 1, h, w) -> (N,), by weights (N, 1, H, W) averaged to the size (h, w)."""
    if weight is None:
        return values.flatten(1).mean(1)
    weight = F.adaptive_avg_pool2d(weight, values.shape[-2:])
    return (values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)
