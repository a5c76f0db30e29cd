"""The observation: the degraded picture at the prior's resolution, and the way back to its own size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degradations import Degradation
from dgp.observation.estimate import Candidate, Estimate
from dgp.observation.figures import encode_png, figures_html, resize_for_screen
from dgp.observation.geometry import Geometry
from dgp.observation.images import Picture, flatten, to_pil
from dgp.observation.weight_map import WeightMap
from generators.text import shorten


@dataclass(frozen=True, eq=False)
class Observation:
    """One picture to explain.

    Attributes:
        y: the observation at the prior's resolution R, (1, c, h, w) float32.
        degradation: the built operator phi that makes such a y of an x (1, 3, R, R); unknown parameters have the values
            of ``estimates`` until the run finds better ones.
        source: the opened input.
        geometry: which part of the input R x R pixels show, and how an answer returns to the input's size.
        key: sha256 of the input's pixels, which names its random streams.
        asked: the degradation in the user's words.
        whole: the operator as built for the input's own size.
        original: the clean picture that y was simulated from, (1, 3, R, R) in [-1, 1], or None.
        label: number of the class; None: to be found.
        class_probabilities: of the prior's classes given y, (classes,) float64; None: not known, or the class is given.
        target: "file": a simulated y is rounded to 8 bits; "float": it is not.
        weight: how much each value of y counts in terms that compare pixels, (1, 1, h, w); None: all alike.
        weighed: the map at the input's own size from which ``weight`` was made, or None.
        notes: what was done to the picture, in words.
        estimates: of the degradation's unknown parameters by name, before the run.
        truth: the operator that made y, where y was simulated by another than ``degradation``.
        ranking: with degradation "auto", the chains of damages that may have made y, the likeliest first.
        seconds: time that ``observe`` took, estimates included.
    """

    y: Tensor
    degradation: Degradation
    source: Picture
    geometry: Geometry
    key: str
    asked: str
    whole: Degradation
    original: Tensor | None = None
    label: int | None = None
    class_probabilities: Tensor | None = None
    target: str = "file"
    weight: Tensor | None = None
    weighed: WeightMap | None = None
    notes: tuple[str, ...] = field(default=())
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    truth: Degradation | None = None
    ranking: tuple[Candidate, ...] = ()
    seconds: float = 0.0

    @property
    def simulated(self) -> bool:
        return self.original is not None

    @property
    def picture(self) -> Image.Image:
        """The observation as a file stores it and `dgp restore` reads it.

        At the answer's size where y has the size of x (holes grey, or transparent where the mask was), else at the size
        of y.
        """
        if self.geometry.observed is None:
            return self.degradation.picture(self.y)
        if self.geometry.placement == "framed":
            return flatten(self.source)[0].crop(self.geometry.used_box)
        operator = self.geometry.operator
        if operator is None:
            return self.geometry.observed
        return operator.picture(operator.read(self.geometry.observed))

    def with_values(self, values: Mapping[str, float]) -> Observation:
        """Return the observation with values of unknown parameters, which are then known."""
        if not values:
            return self
        place, operator = self.geometry, self.geometry.operator
        if operator is not None:
            operator = operator.with_values({name: v for name, v in values.items() if name in operator.unknowns()})
        return replace(
            self, degradation=self.degradation.with_values(values), geometry=replace(place, operator=operator)
        )

    @cached_property
    def pixel_weight(self) -> Tensor | None:
        """Weights of the pixels of x over the largest of them, (1, 1, R, R) in [0, 1]; None without weights."""
        side = self.geometry.resolution
        if self.weight is None:
            return None
        if self.weighed is not None:
            weight = self.weighed.fit_box(self.geometry.box, (side, side))
        else:
            weight = F.interpolate(self.weight.float(), size=(side, side), mode="bilinear", align_corners=False)
        return weight / weight.max()

    @cached_property
    def backdrop(self) -> Tensor:
        """The picture of the observation alone, (1, 3, R, R): y lifted, and made to agree with y."""
        side = self.geometry.resolution
        return self.degradation.merge(self.degradation.lift(self.y, (side, side)), self.y)

    def _repr_png_(self) -> bytes:
        return encode_png(resize_for_screen(self.picture))

    def _repr_html_(self) -> str:
        shown = {"observed": self.picture}
        if self.original is not None:
            shown["original"] = to_pil(self.original)
        width, height = self.source.size
        return figures_html(shown, f"{self.asked}, {width}x{height}, {self.geometry.placement}")

    def __repr__(self) -> str:
        width, height = self.source.size
        name = self.source.path or "a picture"
        label = f"class {self.label}" if self.label is not None else "class to be found"
        if self.class_probabilities is not None:
            number = int(self.class_probabilities.argmax())
            label += f", most likely {number} ({self.class_probabilities[number]:.2f})"
        how = "simulated from a clean picture" if self.simulated else self.geometry.placement
        return (
            f"Observation of {shorten(name, 120)}: {shorten(self.asked, 120)}, {width}x{height} px, {how}\n"
            f"  y {tuple(self.y.shape)} for a prior of {self.geometry.resolution} px, {label}"
        )
