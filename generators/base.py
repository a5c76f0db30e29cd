"""The base classes of generators and discriminators, and the small records that they exchange."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from generators.errors import ClassError
from generators.latents import LatentSpec, RandomStreams
from generators.nn.block_fold import BlockFold
from generators.nn.equalised import EqualisedLayer
from generators.text import format_parameter_count, join_first, pluralise, shorten


@dataclass(frozen=True)
class State:
    """The feature map that goes from one block to the next.

    Attributes:
        hidden: (N, C, h, w).
        rgb: (N, 3, h, w), the picture accumulated so far in networks with skip outputs (StyleGAN2), else None.
    """

    hidden: Tensor
    rgb: Tensor | None = None

    def __repr__(self) -> str:
        rgb = None if self.rgb is None else tuple(self.rgb.shape)
        return f"State(hidden {tuple(self.hidden.shape)}, rgb {rgb})"


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are released (made trainable) together.

    Attributes:
        name: of the group, unique within a generator.
        parameters: names as in ``named_parameters``.
        head: whether these are the layers that turn features into a picture.
        progressive: whether progressive release walks over the group; other groups are released by name only.
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
    """Description of a generator: architecture, resolution, latents, classes and configuration.

    Attributes:
        architecture: name of the architecture, such as "biggan".
        resolution: pixels a side.
        latents: the inputs of the network.
        classes: names of the classes, empty for an unconditional network.
        config: the network's configuration as plain data.
    """

    architecture: str
    resolution: int
    latents: tuple[LatentSpec, ...]
    classes: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)

    def class_index(self, label: str | int) -> int:
        """Return the index of a class that is given by name or by number.

        Raises:
            ClassError: there is no such class; the message suggests the nearest name.
        """
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
        listed = ", ".join(self.classes[:12]) + (", ..." if len(self.classes) > 12 else "")
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {listed}, or a number"
        raise ClassError(f"no class named {text!r}; {hint}")

    @property
    def summary(self) -> str:
        """Architecture, resolution, number of classes and latents in one line."""
        latents = join_first([f"{spec.name} {spec.shape}" for spec in self.latents])
        classes = pluralise(len(self.classes), "class", "classes")
        return f"{self.architecture}, {self.resolution}x{self.resolution} px, {classes}, latents {latents}"

    def __repr__(self) -> str:
        return shorten(f"GeneratorInfo: {self.summary}")


class Generator(BlockFold, nn.Module):
    """Base class of pretrained generators, split into stem, blocks (coarse to fine) and head.

    ``forward`` is the composition of the three. Rows (the leading axis) do not depend on each other. To add an
    architecture, set ``info`` and ``depth`` and write ``sample``, ``embed``, ``stem``, ``block``, ``head``, ``groups``.
    Networks that can draw a coarser picture for less define ``resolutions`` and ``draw``, too.

    Attributes:
        info: see ``GeneratorInfo``.
        depth: number of blocks.
    """

    info: GeneratorInfo
    depth: int

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Pixels a side of the pictures that ``draw`` can make, coarse to fine; ``info.resolution`` is the last."""
        return (self.info.resolution,)

    def sample(
        self, n: int, *, truncation: float = 1.0, classes: int | Tensor | None = None, generator: RandomStreams = None
    ) -> dict[str, Tensor]:
        """Sample latents of n rows, on the CPU, and move them to the network's device.

        Args:
            n: number of rows.
            truncation: 1 for none, less for more typical pictures (Brock et al. 2019, section 3.1; Karras et al. 2019,
                appendix B).
            classes: None (uniform over all classes), one class for all rows, or int64 (n,).
            generator: one random stream, or a list of n, one for each row.

        Returns:
            The latents by name, each (n, ...).
        """
        raise NotImplementedError

    def embed(self, labels: Tensor) -> Tensor:
        """Return the value of the latent "class" for labels int64 (n,)."""
        raise NotImplementedError

    def stem(self, latents: dict[str, Tensor]) -> State:
        """Return the state that enters block 0."""
        raise NotImplementedError

    def block(self, k: int, state: State, latents: dict[str, Tensor]) -> State:
        """Apply block k, 0 <= k < depth."""
        raise NotImplementedError

    def head(self, state: State) -> Tensor:
        """Return the picture, (N, 3, R, R) in [-1, 1].

        Networks whose last layer has no tanh may exceed the range slightly; values are not clamped here.
        """
        raise NotImplementedError

    def forward(self, latents: dict[str, Tensor]) -> Tensor:
        """Generate pictures (N, 3, R, R) from latents.

        Applies stem, blocks and head in turn; where the latents hold ``feature@k``, the blocks from k on and the head.
        """
        return self.head(self.fold(lambda k, state: self.block(k, state, latents), *self.start(latents)))

    def draw(self, latents: dict[str, Tensor], resolution: int) -> Tensor:
        """Generate pictures (N, 3, r, r) from latents, at one of ``resolutions``.

        A picture coarser than that of ``forward`` stands for its averages over squares of pixels: equal or close to
        them, differentiable, and made without the layers that only add detail.

        Args:
            latents: by name, each (N, ...).
            resolution: r, one of ``resolutions``.

        Raises:
            ValueError: the network has no picture of that size.
        """
        if resolution == self.info.resolution:
            return self(latents)
        sides = ", ".join(map(str, self.resolutions))
        raise ValueError(f"got a resolution of {resolution}; {self.info.architecture} draws pictures of {sides} px")

    def start(self, latents: dict[str, Tensor]) -> tuple[State, int]:
        """Return (the state that enters block k, k): the feature map among the latents, or the stem's output and 0.

        Raises:
            ValueError: the latents hold several feature maps, or one of a block that does not exist.
        """
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
        """Convert latents to a wider space that renders the same picture.

        Args:
            latents: by name, each (N, ...).
            chart: "w", "w+" or "w++" where the network has them, or "feature@k", the map that enters block k (with
                "rgb@k", the picture accumulated so far, in networks with skip outputs).

        Returns:
            The new latents, together with those that the later blocks still read.

        Raises:
            ValueError: the network has no such space, or it is not wider than that of ``latents``.
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
        """Return the stored value, (1, ...), of an input that may be left out, such as ``noise[i]``."""
        raise ValueError(f"{self.info.architecture} has no stored value for {name!r}; give one")

    def groups(self) -> list[ParameterGroup]:
        """Return the parameter groups, coarse to fine; every parameter is in exactly one."""
        raise NotImplementedError

    def parameter_names(self, *prefixes: str) -> tuple[str, ...]:
        """Return the names of the parameters that begin with one of the prefixes, in their order."""
        return tuple(name for name, _ in self.named_parameters() if name.startswith(prefixes))

    def gains(self) -> dict[str, float]:
        """Return the factors by which equalised layers multiply their parameters (Karras et al. 2018, section 4.1).

        A parameter p with gain g acts as g p, so that a step of size s on p changes the network by g s. Parameters that
        are not listed act as they are stored.
        """
        return {
            f"{prefix}.{name}": gain
            for prefix, layer in self.named_modules()
            if isinstance(layer, EqualisedLayer)
            for name, gain in layer.weight_gains().items()
        }

    def capture_norm(self, latents: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return instance norms that replace the stored batch statistics (Pan et al. 2020).

        Returns:
            ``norm[i]`` (N, 2, C): weight and bias of the i-th norm, by name.
        """
        raise NotImplementedError(f"{type(self).__name__} has no normalisation whose statistics could be captured")

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.parameters()).device

    def __repr__(self) -> str:
        """Describe the network in one line; ``children()`` lists its layers."""
        info = getattr(self, "info", None)
        known = "" if info is None else f"{info.summary}, {pluralise(self.depth, 'block')}, "
        return shorten(f"{type(self).__name__}: {known}{format_parameter_count(self)}")


class Discriminator(nn.Module):
    """Base class of discriminators of pictures (N, 3, R, R) in [-1, 1]."""

    def features(self, x: Tensor, classes: Tensor | None = None) -> list[Tensor]:
        """Return the feature maps, shallow to deep.

        Maps are taken before their ReLU, attention layers count separately, and the pooled vector (N, C) comes last.
        """
        raise NotImplementedError

    def logit(self, x: Tensor, classes: Tensor | None = None) -> Tensor:
        """Return the realism score (N, 1).

        Args:
            x: pictures, (N, 3, R, R).
            classes: int64 (N,), or None for the unconditional part.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        """Describe the network in one line; ``children()`` lists its layers."""
        return f"{type(self).__name__}: {format_parameter_count(self)}"
