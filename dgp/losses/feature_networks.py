"""Networks through which pictures are compared as LPIPS compares them: its own, and the prior's discriminator."""

from __future__ import annotations

import functools
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dgp.files import sha256_of
from dgp.losses.cosine import unit
from generators.model_zoo import PUBLIC, File
from generators.progress import waiting

if TYPE_CHECKING:
    from dgp.losses.prediction import View
    from generators import Discriminator, Prior

TrunkName = Literal["alex", "vgg", "squeeze", "discriminator"]
PUBLISHED = {"alex": "lpips-alexnet", "vgg": "lpips-vgg16", "squeeze": "lpips-squeezenet"}
# Pixels a side below which a network has nothing left to pool.
SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17, "discriminator": 1}


def absent(name: str) -> str | None:
    """Why LPIPS cannot look through "alex", "vgg" or "squeeze" on this machine, in a few words; None where it can.

    The network's file must lie where torchvision keeps it, with the right hash: lpips would otherwise download it.
    """
    for package in ("lpips", "torchvision"):
        if find_spec(package) is None:
            return f"{package} is not installed; pip install lpips torchvision"
    published, path = _published(name), _place(name)
    if not path.is_file():
        return f"the trunk {published.name} of LPIPS is not in torch.hub's checkpoint folder, and nothing is downloaded"
    at = path.stat()
    if not _sha256(path, at.st_size, at.st_mtime_ns).startswith(published.sha256_prefix):
        return f"{published.name} in torch.hub's checkpoint folder is damaged: its sha256 is not what its name says"
    return None


def refusal(term: str, name: str, prior: Prior) -> str | None:
    """Why the term cannot look through the trunk, in one line that says what to do; None where it can."""
    if name == "discriminator":
        if prior.discriminator is None:
            return f"{term}: the prior {prior.name!r} has no discriminator to look through; set trunk to alex or vgg"
        return None
    side = prior.generator.info.resolution
    if side < SMALLEST[name]:
        why, ways = f"{side} px are too few for the {name} trunk, which needs {SMALLEST[name]}", []
    elif why := absent(name):
        ways = [f"`dgp priors fetch {PUBLISHED[name]}` gets it"]
    else:
        return None
    if prior.discriminator is not None:
        ways.insert(0, "--set trunk=discriminator puts the prior's discriminator in its place")
    return "; ".join([f"{term}: {why}", ", ".join(ways) or "leave the term out"])


@functools.cache
def network(name: str, device: str = "cpu") -> nn.Module:
    """LPIPS' network of version 0.1 (Zhang et al. 2018), frozen. Raises ValueError where it is ``absent``."""
    if why := absent(name):
        raise ValueError(why)
    with waiting("loading LPIPS"), warnings.catch_warnings():
        import lpips

        warnings.simplefilter("ignore")
        found = lpips.LPIPS(net=name, version="0.1", verbose=False)
    return found.eval().requires_grad_(False).to(device)


def _published(name: str) -> File:
    return PUBLIC[PUBLISHED[name]].files[0]


def _place(name: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / _published(name).name


@functools.cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Of a file that was not changed since."""
    return sha256_of(path)


class Trunk:
    """A network whose maps are compared.

    smallest: pixels a side that its pictures need.  enlarges: whether small pictures cost as much as large ones.
    """

    smallest: int
    enlarges = False

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Pictures (N, 3, h, w) in [-1, 1] -> maps (N, C, h', w') of unit vectors along the channels."""
        raise NotImplementedError

    def of_lifted(self, view: View) -> list[Tensor]:
        """``maps`` of the lifted predictions."""
        return self.maps(view.lifted)

    def spread(self, k: int, square: Tensor) -> Tensor:
        """Squared differences of map k (N, C, h, w) -> what they weigh at each position (N, 1, h, w)."""
        raise NotImplementedError

    def distance(self, ours: list[Tensor], theirs: list[Tensor], weight: Tensor | None = None) -> Tensor:
        """(N,): the sum over maps of the mean over positions, by ``weight`` (N, 1, h, w) where there is one."""
        return sum(
            over_positions(self.spread(k, (a - b).square()), weight)
            for k, (a, b) in enumerate(zip(ours, theirs, strict=True))
        )


class LpipsTrunk(Trunk):
    def __init__(self, net: nn.Module, smallest: int):
        self.net, self.smallest = net, smallest

    def maps(self, pictures):
        return [unit(found, 1) for found in self.net.net(self.net.scaling_layer(pictures))]

    def spread(self, k, square):
        return self.net.lins[k](square)


class DiscriminatorTrunk(Trunk):
    """The discriminator of a prior, in the place of LPIPS' network: the maps before their activation and the pooled
    vector, every channel of weight 1. Pictures are brought to its size."""

    smallest = SMALLEST["discriminator"]
    enlarges = True

    def __init__(self, discriminator: Discriminator, size: tuple[int, int]):
        self.discriminator, self.size = discriminator, size

    def maps(self, pictures):
        return self._maps(self.discriminator.features(resized(pictures, self.size)))

    def of_lifted(self, view):
        return self._maps(view.features)

    def _maps(self, features: list[Tensor]) -> list[Tensor]:
        return [unit(found if found.ndim == 4 else found[:, :, None, None], 1) for found in features]

    def spread(self, k, square):
        return square.sum(1, keepdim=True)


def trunk_of(name: str, view: View) -> Trunk:
    """By name, on the view's device. Raises ValueError where it is ``absent``."""
    if name == "discriminator":
        return DiscriminatorTrunk(view.targets.discriminator, view.targets.size)
    return LpipsTrunk(network(name, str(view.image.device)), SMALLEST[name])


def resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear; as they are where they have the size."""
    if tuple(pictures.shape[-2:]) == tuple(size):
        return pictures
    return F.interpolate(pictures, size=tuple(size), mode="bilinear", align_corners=False)


def over_positions(values: Tensor, weight: Tensor | None) -> Tensor:
    """values (N, 1, h, w) -> (N,): the mean over positions, by weights (N, 1, H, W) averaged to their size."""
    if weight is None:
        return values.flatten(1).mean(1)
    weight = F.adaptive_avg_pool2d(weight, values.shape[-2:])
    return (values * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)
