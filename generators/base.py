"""What every generator and discriminator is."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from generators.errors import ClassError
from generators.latents import LatentSpec, RandomStreams
from generators.text import format_parameter_count, join_first, pluralise, shorten


@dataclass(frozen=True)
class State:
    """What travels from block to block. hidden (N, C, h, w); rgb: the picture so far of networks that carry one."""

    hidden: Tensor
    rgb: Tensor | None = None

    def __repr__(self) -> str:
        rgb = None if self.rgb is None else tuple(self.rgb.shape)
        return f"State(hidden {tuple(self.hidden.shape)}, rgb {rgb})"


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are released together.

    parameters: names as in ``named_parameters``.  head: the layers that turn features into a picture.
    progressive: whether progressive release walks over it; other groups are released by name only.
    """

    name: str
    parameters: tuple[str, ...]
    head: bool = False
    progressive: bool = True

    def __repr__(self) -> str:
        head, named = ", the head" if self.head else "", "" if self.progressive else ", released by name only"
        return f"ParameterGroup {self.name}: {pluralise(len(self.parameters), 'tensor')}{head}{named}"


@dataclass(frozen=True)
class GeneratorInfo:
    """architecture, resolution (pixels a side), latents, class names (empty: unconditional), configuration."""

    architecture: str
    resolution: int
    latents: tuple[LatentSpec, ...]
    classes: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)

    def class_index(self, label: str | int) -> int:
        """The number of a class given by name or number. Raises ClassError, with the nearest name."""
        if not self.classes:
            raise ClassError(f"got class {label!r}, but this prior has no classes; leave the class out")
        text = str(label).strip()
        if text in self.classes:
            return self.classes.index(text)
        if text.lstrip("-").isdigit():
            if 0 <= int(text) < len(self.classes):
                return int(text)
            raise ClassError(f"got class {text}, expected 0 to {len(self.classes) - 1}")
        near = difflib.get_close_matches(text, self.classes, 1)
        escape = ", ".join(self.classes[:12]) + (", ..." if len(self.classes) > 12 else "")
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {escape}, or a number"
        raise ClassError(f"no class named {text!r}; {hint}")

    @property
    def summary(self) -> str:
        """Architecture, size, classes and latents in one line."""
        latents = join_first([f"{spec.name} {spec.shape}" for spec in self.latents])
        classes = pluralise(len(self.classes), "class", "classes")
        return f"{self.architecture}, {self.resolution}x{self.resolution} px, {classes}, latents {latents}"

    def __repr__(self) -> str:
        return shorten(f"GeneratorInfo: {self.summary}")


class Generator(nn.Module):
    """A pretrained network from latents to pictures, coarse to fine. Rows (the leading axis) are independent."""

    info: GeneratorInfo
    depth: int

    def sample(
        self, n: int, *, truncation: float = 1.0, classes: int | Tensor | None = None, generator: RandomStreams = None
    ) -> dict[str, Tensor]:
        """Latents of n rows, drawn on the CPU and moved to the network's device.

        classes: None (uniform), one class, or int64 (n,).  generator: one stream, or a list of n, one a row.
        """
        raise NotImplementedError

    def embed(self, labels: Tensor) -> Tensor:
        """int64 (n,) -> the value of the latent "class"."""
        raise NotImplementedError

    def stem(self, latents: dict[str, Tensor]) -> State:
        """What enters block 0."""
        raise NotImplementedError

    def block(self, k: int, state: State, latents: dict[str, Tensor]) -> State:
        """Block k, 0 <= k < depth."""
        raise NotImplementedError

    def head(self, state: State) -> Tensor:
        """(N, 3, R, R) in [-1, 1]; networks without a last nonlinearity may step over it, and are not clamped here."""
        raise NotImplementedError

    def forward(self, latents: dict[str, Tensor]) -> Tensor:
        """(N, 3, R, R): the fold of stem, blocks and head, from block k on where ``feature@k`` is among the latents."""
        state, first = self.start(latents)
        for k in range(first, self.depth):
            state = self.block(k, state, latents)
        return self.head(state)

    def start(self, latents: dict[str, Tensor]) -> tuple[State, int]:
        """(what enters block k, k): the feature map among the latents, else the stem's. Raises ValueError for two."""
        given = [name for name in latents if name.startswith("feature@")]
        if not given:
            return self.stem(latents), 0
        if len(given) > 1:
            raise ValueError(f"got {' and '.join(given)}; a network starts from one feature map; give one")
        k = int(given[0].removeprefix("feature@"))
        if not 0 <= k <= self.depth:
            raise ValueError(f"got {given[0]}, expected feature@0 to feature@{self.depth}")
        return State(latents[given[0]], latents.get(f"rgb@{k}")), k

    def convert(self, latents: dict[str, Tensor], chart: str) -> dict[str, Tensor]:
        """The same picture in a wider chart: "w", "w+", "w++" where the network has them, or "feature@k", the map that
        enters block k (with "rgb@k", the picture carried so far, where there is one). What later blocks read stays.

        Raises ValueError for a chart that the network lacks, or that is no wider than what is given.
        """
        if not chart.startswith("feature@"):
            own = f"{self.info.architecture} has z and feature@0 to feature@{self.depth}"
            raise ValueError(f"got chart {chart!r}; {own}")
        wanted = int(chart.removeprefix("feature@"))
        state, first = self.start(latents)
        if not first <= wanted <= self.depth:
            raise ValueError(f"got chart {chart!r}, expected feature@{first} to feature@{self.depth}")
        for k in range(first, wanted):
            state = self.block(k, state, latents)
        rest = {name: value for name, value in latents.items() if not name.startswith(("feature@", "rgb@"))}
        carried = {} if state.rgb is None else {f"rgb@{wanted}": state.rgb}
        return rest | {chart: state.hidden} | carried

    def default_input(self, name: str) -> Tensor:
        """(1, ...): what stands for an input that is not given, such as ``noise[i]``."""
        raise ValueError(f"{self.info.architecture} stores nothing for {name!r}; give it")

    def groups(self) -> list[ParameterGroup]:
        """Coarse to fine; every parameter is in exactly one."""
        raise NotImplementedError

    def parameter_names(self, *prefixes: str) -> tuple[str, ...]:
        """Return the names of the parameters that begin with one of the prefixes, in their order."""
        return tuple(name for name, _ in self.named_parameters() if name.startswith(prefixes))

    def gains(self) -> dict[str, float]:
        """Parameter name -> the constant that it is multiplied by where it is used, of equalised layers (Karras et al.
        2018, section 4.1): what moves as stored moves so many times less as used. All other parameters are used as
        they are."""
        return {
            f"{prefix}.{name}": gain
            for prefix, layer in self.named_modules()
            for name, gain in getattr(layer, "own_gains", dict)().items()
        }

    def capture_norm(self, latents: dict[str, Tensor]) -> dict[str, Tensor]:
        """``norm[i]`` (N, 2, C): weight and bias of the instance norms that stand for the stored statistics."""
        raise NotImplementedError(f"{type(self).__name__} has no normalisation whose statistics could be captured")

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def __repr__(self) -> str:
        """Say what it is; ``children()`` shows its layers."""
        info = getattr(self, "info", None)
        known = "" if info is None else f"{info.summary}, {pluralise(self.depth, 'block')}, "
        return shorten(f"{type(self).__name__}: {known}{format_parameter_count(self)}")


class Discriminator(nn.Module):
    """What judges pictures (N, 3, R, R) in [-1, 1]."""

    def features(self, x: Tensor, classes: Tensor | None = None) -> list[Tensor]:
        """Shallow to deep: the maps before their ReLU, attention an entry of its own, then the pooled vector (N, C)."""
        raise NotImplementedError

    def logit(self, x: Tensor, classes: Tensor | None = None) -> Tensor:
        """(N, 1). classes int64 (N,), or None for the unconditional part."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Say what it is; ``children()`` shows its layers."""
        return f"{type(self).__name__}: {format_parameter_count(self)}"
