"""A generator together with its discriminator, statistics and model card."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, replace

import torch

from generators.base import Discriminator, Generator
from generators.statistics.latent_statistics import Statistics, make_statistics
from generators.text import format_parameter_count, pluralise, shorten


@dataclass(frozen=True)
class ModelCard:
    """Facts to know before using a prior: data, licence, origin, limits.

    Attributes:
        text: the whole card in Markdown, or "".
    """

    name: str
    data: str = "unknown"
    licence: str = "unknown"
    origin: str = "unknown"
    limits: str = "unknown"
    text: str = ""

    def _repr_markdown_(self) -> str:
        return self.text or (
            f"**{self.name}**: data {self.data}; licence {self.licence}; origin {self.origin}; limits: {self.limits}"
        )

    def __repr__(self) -> str:
        about = "; ".join(f"{key} {shorten(getattr(self, key), 80)}" for key in ("data", "licence", "origin", "limits"))
        return shorten(f"ModelCard {self.name}: {about}")


@dataclass(frozen=True, eq=False)
class Prior:
    """A generator with its discriminator, latent statistics and model card.

    All parameters are frozen, all modules in evaluation mode.

    Attributes:
        name: by which it was loaded.
        generator: the network from latents to pictures.
        discriminator: None where there is none.
        card: data, licence, origin, limits.
        sha256: of the generator's file.
        statistics: of w, None for networks without w.
        assumed: settings that the file does not state, in words.
    """

    name: str
    generator: Generator
    discriminator: Discriminator | None
    card: ModelCard
    sha256: str
    statistics: Statistics | None = None
    assumed: tuple[str, ...] = ()

    def __post_init__(self):
        for module in (self.generator, self.discriminator):
            if module is not None:
                module.eval().requires_grad_(False)
        if self.statistics is None:
            object.__setattr__(self, "statistics", make_statistics(self.generator, self.sha256))

    @functools.cached_property
    def feature_count(self) -> int:
        """Number of features of the discriminator (maps and the pooled vector); 0 without one."""
        if self.discriminator is None:
            return 0
        side = self.generator.info.resolution
        like = next(self.discriminator.parameters(), torch.empty(0))
        with torch.no_grad():
            return len(self.discriminator.features(like.new_zeros(1, 3, side, side)))

    def to(self, device: str | torch.device) -> Prior:
        """Return the same prior on another device, or itself if it is there already."""
        device, here = torch.device(device), self.generator.device
        if here.type == device.type and device.index in (None, here.index):
            return self
        move = lambda module: None if module is None else copy.deepcopy(module).to(device)  # noqa: E731
        generator = move(self.generator)
        statistics = None if self.statistics is None else self.statistics.with_generator(generator)
        return replace(self, generator=generator, discriminator=move(self.discriminator), statistics=statistics)

    def __repr__(self) -> str:
        info = self.generator.info
        size, classes = f"{info.resolution}x{info.resolution} px", pluralise(len(info.classes), "class", "classes")
        judge = "without discriminator" if self.discriminator is None else "with discriminator"
        about = f"{info.architecture}, {size}, {classes}, {format_parameter_count(self.generator)}, {judge}"
        return shorten(f"Prior {self.name}: {about}, on {self.generator.device}")
