"""Wrapped modules as generators and discriminators."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generators.base import Discriminator, Generator, GeneratorInfo, ParameterGroup, State
from generators.errors import ClassError
from generators.latents import LatentSpec, sample_labels, sample_normal

Taps = Sequence[str] | Callable[[nn.Module, Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class PictureFormat:
    """Format of a wrapped module's pictures: values from low to high, 1 or 3 channels."""

    low: float
    high: float
    channels: int

    def to_ours(self, x: Tensor) -> Tensor:
        """Convert (N, 1 or 3, R, R) in [low, high] to (N, 3, R, R) in [-1, 1]."""
        if (self.low, self.high) != (-1, 1):
            x = (x - self.low) * (2 / (self.high - self.low)) - 1
        return x.expand(-1, 3, -1, -1) if self.channels == 1 else x

    def to_theirs(self, x: Tensor) -> Tensor:
        """Convert (N, 3, R, R) in [-1, 1] to (N, 1 or 3, R, R) in [low, high]; grey is the mean of the channels."""
        if self.channels == 1:
            x = x.mean(1, keepdim=True)
        if (self.low, self.high) != (-1, 1):
            x = (x + 1) * ((self.high - self.low) / 2) + self.low
        return x


class WrappedGenerator(Generator):
    """A module as a generator.

    Latents: "z" (N, *shape); "class", int64 (N,), where there are classes, the module's second argument.

    Args:
        network: the module.
        shape: of one row of z.
        resolution: pixels a side.
        pictures: their format.
        groups: of the parameters.
        chain: names of the submodules of each layer, from z to picture: the first layer is the stem, the last the head,
            those between are the blocks. Empty: the network is one block.
        classes: names of the classes.
    """

    def __init__(
        self,
        network: nn.Module,
        shape: tuple[int, ...],
        resolution: int,
        pictures: PictureFormat,
        groups: Sequence[ParameterGroup],
        chain: Sequence[Sequence[str]] = (),
        classes: tuple[str, ...] = (),
    ):
        super().__init__()
        self.network, self.shape, self.pictures, self.chain = network, shape, pictures, chain
        self._groups = list(groups)
        self.depth = len(chain) - 2 if chain else 1
        label = (LatentSpec("class", "class", (), optimisable=False),) if classes else ()
        kind = type(network).__name__
        self.info = GeneratorInfo(kind, resolution, (LatentSpec("z", "z", shape), *label), classes)

    @property
    def device(self):
        return get_device_and_dtype(self.network)[0]

    def sample(self, n, *, truncation=1.0, classes=None, generator=None):
        device, dtype = get_device_and_dtype(self.network)
        z = sample_normal(n, self.shape.numel(), truncation, generator).view(n, *self.shape).to(device, dtype)
        count = len(self.info.classes)
        if not count:
            if classes is not None:
                raise ClassError(f"got classes, but {self.info.architecture} has none; leave them out")
            return {"z": z}
        labels = sample_labels(n, count, generator) if classes is None else torch.as_tensor(classes)
        if labels.shape not in ((), (n,)) or labels.min() < 0 or labels.max() >= count:
            raise ClassError(f"got classes {labels.tolist()} for {n} rows; expected one a row, of 0 to {count - 1}")
        return {"z": z, "class": self.embed(labels.expand(n))}

    def embed(self, labels):
        return labels.to(self.device, copy=True)

    def stem(self, latents):
        return State(self._run(self.chain[0], latents["z"]) if self.chain else latents["z"])

    def block(self, k, state, latents):
        if self.chain:
            return State(self._run(self.chain[k + 1], state.hidden))
        label = (latents["class"],) if self.info.classes else ()
        return State(self.network(state.hidden, *label))

    def head(self, state):
        own = self._run(self.chain[-1], state.hidden) if self.chain else state.hidden
        return self.pictures.to_ours(own)

    def _run(self, names: Sequence[str], h: Tensor) -> Tensor:
        for name in names:
            h = self.network.get_submodule(name)(h)
        return h

    def groups(self):
        return list(self._groups)


class WrappedDiscriminator(Discriminator):
    """A module as a discriminator.

    Where the network takes labels and none are given, label 0 is used; ``wrap`` checks that features do not depend on
    it.

    Args:
        network: the module.
        taps: names of submodules whose outputs are the features, in the order in which they are reached; or a function
            of the network and its pictures.
        pictures: their format.
        labelled: whether the network takes labels as second argument.
        rowwise: whether rows are evaluated one at a time, for networks that couple them.
    """

    def __init__(self, network: nn.Module, taps: Taps, pictures: PictureFormat, labelled: bool, rowwise: bool = False):
        super().__init__()
        self.network, self.taps, self.pictures = network, taps, pictures
        self.labelled, self.rowwise = labelled, rowwise

    def features(self, x, classes=None):
        if self.rowwise and len(x) > 1:
            labels = [None] * len(x) if classes is None else classes.split(1)
            rows = [self.features(row, label) for row, label in zip(x.split(1), labels, strict=True)]
            return [torch.cat(maps) for maps in zip(*rows, strict=True)]
        if callable(self.taps):
            maps = list(self.taps(self.network, self.pictures.to_theirs(x)))
        else:
            with capture_outputs(self.network, self.taps) as maps:
                self._run_network(x, classes)
        # Features end with a vector; a network without one gives the mean of its last map.
        return maps if maps and maps[-1].ndim == 2 else [*maps, *(m.flatten(2).mean(2) for m in maps[-1:])]

    def logit(self, x, classes=None):
        if self.rowwise and len(x) > 1:
            labels = [None] * len(x) if classes is None else classes.split(1)
            return torch.cat([self.logit(row, label) for row, label in zip(x.split(1), labels, strict=True)])
        return self._run_network(x, classes).flatten(1).mean(1, keepdim=True)

    def _run_network(self, x: Tensor, classes: Tensor | None) -> Tensor:
        x = self.pictures.to_theirs(x)
        if not self.labelled:
            return self.network(x)
        return self.network(x, torch.zeros(len(x), dtype=torch.long, device=x.device) if classes is None else classes)


@contextlib.contextmanager
def capture_outputs(network: nn.Module, names: Sequence[str]) -> Iterator[list[Tensor]]:
    """Collect the outputs of the named submodules while the network runs.

    They are copied, since later layers may work in place.
    """
    found: list[Tensor] = []
    hooks = [
        network.get_submodule(name).register_forward_hook(lambda _, __, output: found.append(output.clone()))
        for name in names
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def get_device_and_dtype(network: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Return the device and dtype of a network; CPU and float32 for one without floating-point tensors."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32
