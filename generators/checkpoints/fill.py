"""Tensors into a network, strictly."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from generators.errors import WeightsError


def filled(make: Callable[[], nn.Module], tensors: dict[str, Tensor], source: str) -> nn.Module:
    """The network with every tensor in its place, strictly; ``sv*`` may be absent, since nothing reads them.

    It is compared before memory is taken, so that no file can ask for more than it brings. Raises WeightsError.
    """
    with torch.device("meta"):
        network = make()
    own = network.state_dict()
    missing = sorted(name for name in own.keys() - tensors.keys() if not re.search(r"\.sv\d$", name))
    unexpected = sorted(tensors.keys() - own.keys())
    if missing or unexpected:
        raise WeightsError(
            f"{source}: {_listed('missing', missing)}{_listed('unexpected', unexpected)}the network "
            "that its shapes describe has others; is the file whole, and of this architecture?"
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise WeightsError(f"{source}: {name} is {tuple(tensor.shape)}, expected {tuple(own[name].shape)}")
        if not tensor.is_floating_point():
            raise WeightsError(f"{source}: {name} holds {tensor.dtype}, expected real numbers")
        if not tensor.is_meta and not torch.isfinite(tensor).all():
            raise WeightsError(f"{source}: {name} holds NaN or Infinity; get the file again")
    if any(tensor.is_meta for tensor in tensors.values()):
        return network
    network.to_empty(device="cpu")
    unlogged = {name: torch.ones(1) for name in own.keys() - tensors.keys()}
    network.load_state_dict(tensors | unlogged)
    return network


def _listed(word: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{len(names)} {word} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''}); "
