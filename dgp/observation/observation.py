"""What is to be explained: the degraded picture as the prior sees it, and the way back to its size."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import degradations
from degradations import Degradation
from dgp.errors import InputError
from dgp.observation.boxes import FITS
from dgp.observation.figures import encode_png, figures_html, resize_for_screen
from dgp.observation.framing.clean import frame_clean
from dgp.observation.framing.degraded import frame_degraded
from dgp.observation.framing.request import FramingRequest
from dgp.observation.geometry import Geometry
from dgp.observation.images import BLENDED_WITH_WHITE, Picture, flatten, open_picture, to_pil
from dgp.observation.weight_map import WeightMap, open_weight
from dgp.progress import display
from dgp.variables.operator_parameters import Estimate
from dgp.variables.rows import stream
from generators.brief import clipped
from generators.progress import waiting

if TYPE_CHECKING:
    from dgp.identify.ranking import Candidate
    from generators import Prior


@dataclass(frozen=True, eq=False)
class Observation:
    """One picture to explain.

    y: (1, c, h, w) float32, the observation at the prior's resolution R.
    degradation: the built operator phi that makes such a y of an x (1, 3, R, R).
    source: the opened input.  geometry: where R x R lies in it, and how an answer comes back to its size.
    key: what random streams are named after: the sha256 of the input's pixels.
    original: (1, 3, R, R) in [-1, 1], the clean picture, when y was simulated from it; else None.
    label: number of the class, or None when it is to be found.
    asked: the degradation as it was asked for.  whole: the operator as built for the input's own size.
    target: "file" (y rounded to 8 bits) or "float".
    weight: (1, 1, h, w), how much each value of y counts in mse and l1, or None: all alike.
    weighed: the map at the input's own size of which ``weight`` was made, or None.
    notes: what was done to the picture on the way, in words.
    estimates: of the degradation's unknown parameters, by name, what is known before the run; there ``degradation``
        stands, until the run finds better.
    truth: the operator that made y, where it was simulated by another than ``degradation``.
    ranking: with degradation "auto", the chains of damages that may have made y, the likeliest first.
    seconds: what ``observe`` took, estimates included.
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
        """What was observed, as such a picture is stored: `dgp restore` reads it. At the answer's size where
        y has the size of x (holes grey, or transparent where the mask was), else at the size of y."""
        if self.geometry.observed is None:
            return self.degradation.picture(self.y)
        if self.geometry.placement == "framed":
            return flatten(self.source)[0].crop(self.geometry.used_box)
        operator = self.geometry.operator
        if operator is None:
            return self.geometry.observed
        return operator.picture(operator.read(self.geometry.observed))

    def given(self, values: Mapping[str, float]) -> Observation:
        """The same with unknown parameters found."""
        if not values:
            return self
        place, operator = self.geometry, self.geometry.operator
        if operator is not None:
            operator = operator.given({name: v for name, v in values.items() if name in operator.unknowns()})
        return replace(self, degradation=self.degradation.given(values), geometry=replace(place, operator=operator))

    @cached_property
    def share(self) -> Tensor | None:
        """(1, 1, R, R): the weights over the largest of them, of x's pixels; None where there are none."""
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
        """(1, 3, R, R): the picture that tells nothing but the observation: y lifted, and made to agree with y."""
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
        label = "class to be found" if self.label is None else f"class {self.label}"
        how = "simulated from a clean picture" if self.simulated else self.geometry.placement
        return (
            f"Observation of {clipped(name, 120)}: {clipped(self.asked, 120)}, {width}x{height} px, {how}\n"
            f"  y {tuple(self.y.shape)} for a prior of {self.geometry.resolution} px, {label}"
        )


@display()
@waiting("preparing the picture")
def observe(
    picture,
    degradation: str | Degradation,
    prior: Prior,
    *,
    label: str | int | None = None,
    simulate: bool = False,
    truth: str | Degradation | None = None,
    fit: str = "auto",
    target: str = "file",
    weight=None,
    seed: int = 0,
) -> Observation:
    """Opens a picture and brings it to the prior's resolution.

    Args:
        picture: the degraded picture: path, PIL image, array (H, W[, 3]) of uint8 or of floats in [0, 1], tensor
            (3, H, W) of floats in [-1, 1], or Picture; with `simulate` a clean one, which is fitted to the prior's
            resolution (auto: centre square) and degraded there.
        degradation: the operator, or its spec; "auto": what the picture shows (``dgp.identify``).
        truth: with ``simulate`` the operator that makes y, where it is another than the one that shall explain it;
            default: that one, unknown parameters drawn from their ranges by the seed.
        label: None or "auto" (to be found), or the name or number of a class (``--class`` on the command line).
        fit: "auto" keeps as much of the picture as its degradation allows: holes are filled in a window, y
            of x's size is stretched, others must be of their size. "crop", "pad", "stretch" say how instead;
            "object" works in a square around what the weight marks, and leaves the rest of the picture.
        target: whether a simulated y is rounded as a "file" would be, or stays "float".
        weight: how much each pixel of the picture counts in what compares pixels, white fully and black not at all:
            a picture of the same size, or a tensor in [0, 1] (``dgp.observation.weight_map.open_weight``); None: all alike.
        seed: for random masks and simulated noise.

    Raises InputError, degradations.DegradationError or generators.ClassError, one line each.
    """
    begin = time.perf_counter()
    if fit not in FITS:
        raise InputError(f"got fit={fit!r}, expected one of {', '.join(FITS)}")
    if target not in ("file", "float"):
        raise InputError(f"got target={target!r}, expected 'file' or 'float'")
    if not isinstance(degradation, str | Degradation):
        raise InputError(f"got degradation={degradation!r}, expected a spec such as 'gray', or a Degradation")
    if degradation == "auto":
        from dgp.identify.auto import observe_auto

        rest = {"label": label, "target": target, "weight": weight}
        found = observe_auto(picture, prior, fit=fit, seed=seed, simulate=simulate, truth=truth, **rest)
        return replace(found, seconds=time.perf_counter() - begin)
    source = open_picture(picture)
    asked = degradations.parse(degradation) if isinstance(degradation, str) else degradation
    number = None if label is None or label == "auto" else prior.generator.info.class_index(label)
    resolution = prior.generator.info.resolution
    weighed = None if weight is None else open_weight(weight, source.size)
    if fit == "object" and weighed is None:
        raise InputError("got fit 'object' without a weight, which says where the object is; give --weight FILE")
    framing = FramingRequest(source, fit, weighed.object_box(resolution) if fit == "object" else None, resolution, seed)
    key = source.pixels_sha256
    true = original = None
    lost: tuple[str, ...] = ()
    if truth is not None and not simulate:
        raise InputError("got a truth without simulating; leave it out, or add --simulate (in Python: simulate=True)")
    if simulate:
        place, operator, original = frame_clean(asked, framing)
        degradations.try_out(operator, framing.square)
        true = _true(operator, truth, framing, key)
        measure = true.simulate if target == "file" else true.measure
        with torch.no_grad():
            y = measure(original, stream(seed, f"noise {key}", 0))
        _same_shape(y, operator, true, resolution)
        whole, true = operator, None if true is operator else true
    else:
        found = frame_degraded(asked, framing)
        place, operator, whole, y, lost = found.geometry, found.operator, found.whole, found.y, found.notes
    if y.shape[1] not in (1, 3):
        operator.lift(y, (resolution, resolution))  # said now rather than when the answer is to be shown
    estimates = first_estimates(operator, None if simulate else source.image, y, prior, seed)
    operator = _standing(operator, estimates)
    text = asked.asked or (degradation if isinstance(degradation, str) else asked.spec)
    return Observation(
        y=y,
        degradation=operator,
        source=source,
        geometry=place,
        key=key,
        asked=text,
        whole=whole,
        original=original,
        label=number,
        target=target,
        weight=None if weighed is None else weighed.fit_box(place.used_box or place.box, (y.shape[-1], y.shape[-2])),
        weighed=weighed,
        notes=(*source.notes, *whole.remarks) if simulate else (*_notes(source, whole), *lost),
        estimates=estimates,
        truth=true,
        seconds=time.perf_counter() - begin,
    )


def _standing(operator: Degradation, estimates: Mapping[str, Estimate]) -> Degradation:
    """What the file itself tells is no longer unknown; for the rest the estimates are where it begins."""
    told = {name: estimate.value for name, estimate in estimates.items() if estimate.source == "file"}
    rest = {name: estimate.value for name, estimate in estimates.items() if name not in told}
    operator = operator.given(told) if told else operator
    return operator.standing(rest) if rest else operator


def first_estimates(
    operator: Degradation, picture: Image.Image | None, y: Tensor, prior: Prior, seed: int
) -> dict[str, Estimate]:
    """Of the unknown parameters: what the file itself tells, and for the rest what the pixels show.

    picture: as it was opened, or None: there is no file.
    """
    unknowns = operator.unknowns()
    if not unknowns:
        return {}
    from dgp.identify.estimate import estimate

    told = {} if picture is None else operator.told(picture)
    found = {n: Estimate(told[n], 0.0, "file") for n, u in unknowns.items() if n in told and u.low <= told[n] <= u.high}
    rest = operator.given({name: known.value for name, known in found.items()})
    return found | estimate(y, rest, prior, seed=seed)


def _notes(source: Picture, whole: Degradation) -> tuple[str, ...]:
    """What was done to the picture. Where transparency is the hole, white stands only behind what shines through."""
    if whole.transparent(source.size[::-1]) is None:
        return (*source.notes, *whole.remarks)
    alpha = np.asarray(flatten(source)[1])
    through = "half-transparent pixels were blended with white" if ((alpha >= 128) & (alpha < 255)).any() else None
    notes = (through if note == BLENDED_WITH_WHITE else note for note in source.notes)
    return (*filter(None, notes), *whole.remarks)


def _true(operator: Degradation, truth: str | Degradation | None, framing: FramingRequest, key: str) -> Degradation:
    """The operator that makes y of the original, at the prior's resolution."""
    if truth is not None:
        asked = degradations.parse(truth) if isinstance(truth, str) else truth
        if asked.unknowns():
            raise InputError(f"got the truth {asked.spec!r}, expected one without unknowns; give their values")
        return frame_clean(asked, framing)[1]
    random = stream(framing.seed, f"truth {key}", 0)
    drawn = {
        name: unknown.value(float(torch.rand((), generator=random))) for name, unknown in operator.unknowns().items()
    }
    return operator.given(drawn) if drawn else operator


def _same_shape(y: Tensor, operator: Degradation, true: Degradation, resolution: int) -> None:
    """InputError where what one operator makes cannot be explained by the other."""
    expected = (operator.channels(3), *operator.size((resolution, resolution)))
    if tuple(y.shape[1:]) != expected:
        raise InputError(
            f"got an observation of {tuple(y.shape[1:])} from {true.spec}, expected {expected} as of {operator.spec}; "
            "the two must give the same size and channels"
        )
