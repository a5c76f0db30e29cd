"""Build a network and load tensors into it, strictly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules import module
from torch.overrides import TorchFunctionMode

from generators.errors import WeightsError
from generators.text import escape

EXTRA_PARTS = 64
SCALINGS = (torch.Tensor.div, torch.Tensor.mul)


def build_and_load(make: Callable[[], nn.Module], tensors: dict[str, Tensor], source: str) -> nn.Module:
    """Build a network and load every tensor into it, strictly; only ``sv*`` may be missing, since they are not used.

    Names and shapes are compared on the meta device, before memory is allocated, so that a file cannot ask for more
    than it holds.

    Args:
        make: builds the network.
        tensors: by name.
        source: the file's name, for messages.

    Raises:
        WeightsError: names, shapes or values are wrong.
    """
    with torch.device("meta"), SkipInitialisation(), _limit_parts(4 * len(tensors) + EXTRA_PARTS, source):
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
            raise WeightsError(f"{source}: {escape(name)} is {tuple(tensor.shape)}, expected {tuple(own[name].shape)}")
        if not tensor.is_floating_point():
            raise WeightsError(f"{source}: {escape(name)} holds {tensor.dtype}, expected real numbers")
        if not tensor.is_meta and not torch.isfinite(tensor).all():
            raise WeightsError(f"{source}: {escape(name)} holds NaN or Infinity; get the file again")
    if any(tensor.is_meta for tensor in tensors.values()):
        return network
    own_memory = {name: tensor.to("cpu", own[name].dtype, copy=True) for name, tensor in tensors.items()}
    unlogged = {name: torch.ones(1) for name in own.keys() - tensors.keys()}
    # With assign=True, constants that are not in files (made with device="cpu") keep their values.
    network.load_state_dict(own_memory | unlogged, assign=True)
    return network


class SkipInitialisation(TorchFunctionMode):
    """Mode in which tensors on the meta device are not initialised.

    Importing torch's kernels of the meta device alone takes over a second.
    """

    def __torch_function__(self, function, types, arguments=(), named=None):
        named = named or {}
        if getattr(function, "__module__", "") == "torch.nn.init":
            target = named["tensor"] if "tensor" in named else arguments[0]
            if target.is_meta:
                return target
        if function in SCALINGS and arguments[0].is_meta and isinstance(arguments[1], int | float):
            return arguments[0]
        if function is torch.randn and not named.keys() & {"generator", "device"}:
            function = torch.empty
        return function(*arguments, **named)


@contextmanager
def _limit_parts(most: int, source: str) -> Iterator[None]:
    """Raise WeightsError while a network with more than ``most`` layers, parameters and buffers is being built.

    The numbers that determine the size of the network come from the file.
    """
    count = 0

    def add(_module: nn.Module, _name: str, _piece: object) -> None:
        nonlocal count
        count += 1
        if count > most:
            raise WeightsError(f"{source}: describes a network of more layers than it has tensors; is the file whole?")

    hooks = [
        module.register_module_parameter_registration_hook(add),
        module.register_module_buffer_registration_hook(add),
        module.register_module_module_registration_hook(add),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _listed(word: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{len(names)} {word} ({', '.join(map(escape, names[:3]))}{', ...' if len(names) > 3 else ''}); "
