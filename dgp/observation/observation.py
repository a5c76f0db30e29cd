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
from dgp.observation.full_size.effective_resolution import EffectiveResolution
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
        clean: the clean picture at the output's size, if y was simulated at the photograph's own size; else None.
        label: number of the class; None: to be found.
        class_probabilities: of the prior's classes given y, (classes,) float64; None: not known, or the class is given.
        target: "file": a simulated y is rounded to 8 bits; "float": it is not.
        weight: how much each value of y counts in terms that compare pixels, (1, 1, h, w); None: all alike.
        weighed: the map at the input's own size from which ``weight`` was made, or None.
        notes: what was done to the picture, in words.
        estimates: of the degradation's unknown parameters by name, before the run.
        truth: the operator that made y, where y was simulated by another than ``degradation``.
        ranking: with degradation "auto", the chains of damages that may have made y, the likeliest first.
        others: further parts of the same photograph, each with holes or a face of its own, which are inverted alike.
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
    clean: Image.Image | None = None
    label: int | None = None
    class_probabilities: Tensor | None = None
    target: str = "file"
    weight: Tensor | None = None
    weighed: WeightMap | None = None
    notes: tuple[str, ...] = field(default=())
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    truth: Degradation | None = None
    ranking: tuple[Candidate, ...] = ()
    others: tuple[Observation, ...] = ()
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
        place = self.geometry
        if place.observed is None:
            return self.degradation.picture(self.y) if place.ground is None else flatten(self.source)[0]
        if place.placement == "framed":
            left, top, right, bottom = place.used_box
            corner = (left - place.box[0], top - place.box[1])
            return place.observed.crop((*corner, corner[0] + right - left, corner[1] + bottom - top))
        operator = place.photograph.operator
        return operator.picture(operator.read(place.observed)) if operator.pointwise else place.observed

    def with_positions(self, positions: Mapping[str, float]) -> Observation:
        """Return the observation with values of unknown parameters, which are then known.

        Args:
            positions: of parameters of ``degradation`` in their ranges, in [0, 1]. Positions have the same meaning at
                every scale. Other unknown parameters get the values of ``estimates``.
        """
        place = self.geometry
        if not self.whole.unknowns():
            return self
        if place.photograph is not None:
            photograph = place.photograph.with_operator(self._set_known(place.photograph.operator, positions))
            place = replace(place, photograph=photograph)
        known = {name: unknown.value(positions[name]) for name, unknown in self.degradation.unknowns().items()}
        return replace(
            self,
            degradation=self.degradation.with_values(known) if known else self.degradation,
            geometry=place,
        )

    def _set_known(self, operator: Degradation, positions: Mapping[str, float]) -> Degradation:
        values = {
            name: unknown.value(positions[name]) if name in positions else self.estimates[name].value
            for name, unknown in operator.unknowns().items()
        }
        return operator.with_values(values) if values else operator

    @property
    def effective_resolution(self) -> EffectiveResolution:
        """The resolution that a merged answer will really have at the output's size."""
        return self.geometry.effective_resolution

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
            shown["original"] = self.clean or to_pil(self.original)
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
