"""LPIPS' own networks and its learned weights (Zhang et al. 2018)."""

from __future__ import annotations

import functools
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from dgp.losses.cosine import normalize
from dgp.losses.feature_networks import weight_files
from dgp.losses.feature_networks.network import FeatureNetwork
from generators.progress import waiting

ENTRIES = {"alex": "lpips-alexnet", "vgg": "lpips-vgg16", "squeeze": "lpips-squeezenet"}
# Least picture side in pixels: below it a pooling layer would have no input.
LEAST_SIDE = {"alex": 31, "vgg": 16, "squeeze": 17}


def explain_absence(name: str) -> str | None:
    """Return why LPIPS cannot use "alex", "vgg" or "squeeze" on this machine, in a few words; None if it can.

    The weights must be where torchvision keeps them, with the right hash; otherwise lpips would download them.
    """
    for package in ("lpips", "torchvision"):
        if find_spec(package) is None:
            return f"{package} is not installed; pip install lpips torchvision"
    return weight_files.explain_absence(ENTRIES[name], Path(torch.hub.get_dir()) / "checkpoints")


@functools.cache
def load_lpips(name: str, device: str = "cpu") -> nn.Module:
    """Return LPIPS with the network of that name, version 0.1 of its weights, frozen.

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


class LpipsNetwork(FeatureNetwork):
    """LPIPS' own network and its learned channel weights."""

    def __init__(self, lpips: nn.Module, least_side: int):
        self.lpips, self.least_side = lpips, least_side

    def maps(self, pictures):
        return [normalize(feature, 1) for feature in self.lpips.net(self.lpips.scaling_layer(pictures))]

    def weigh(self, k, square):
        return self.lpips.lins[k](square)
