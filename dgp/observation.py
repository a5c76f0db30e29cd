"""What is to be explained: the degraded picture as the prior sees it, and the way back to its size."""

from __future__ import annotations

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
from degradations.crop import Part
from dgp import geometry as g
from dgp.errors import InputError
from dgp.geometry import Geometry
from dgp.images import LAID_ON_WHITE, Picture, flatten, open_picture, to_pil
from dgp.rows import stream
from dgp.sheet import figures, png_bytes, viewable
from dgp.unknown import Estimate
from dgp.weight import WeightMap, open_weight

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

    @property
    def simulated(self) -> bool:
        return self.original is not None

    @property
    def picture(self) -> Image.Image:
        """What was observed, as such a picture is stored: `dgp restore` reads it. At the answer's size where
        y has the size of x (holes grey, or transparent where the mask was), else at the size of y."""
        if self.geometry.seen is None:
            return self.degradation.picture(self.y)
        if self.geometry.placed == "framed":
            return flatten(self.source)[0].crop(self.geometry.used)
        operator = self.geometry.operator
        if operator is None:
            return self.geometry.seen
        return operator.picture(operator.read(self.geometry.seen))

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
            weight = self.weighed.fitted(self.geometry.box, (side, side))
        else:
            weight = F.interpolate(self.weight.float(), size=(side, side), mode="bilinear", align_corners=False)
        return weight / weight.max()

    @cached_property
    def backdrop(self) -> Tensor:
        """(1, 3, R, R): the picture that tells nothing but the observation: y lifted, and made to agree with y."""
        side = self.geometry.resolution
        return self.degradation.merge(self.degradation.lift(self.y, (side, side)), self.y)

    def _repr_png_(self) -> bytes:
        return png_bytes(viewable(self.picture))

    def _repr_html_(self) -> str:
        shown = {"observed": self.picture}
        if self.original is not None:
            shown["original"] = to_pil(self.original)
        width, height = self.source.size
        return figures(shown, f"{self.asked}, {width}x{height}, {self.geometry.placed}")


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
        picture: the degraded picture (path, PIL image, array, tensor or Picture); with `simulate`
            a clean one, which is fitted to the prior's resolution (auto: centre square) and degraded there.
        degradation: the operator, or its spec; "auto": what the picture shows (``dgp.identify``).
        truth: with ``simulate`` the operator that makes y, where it is another than the one that shall explain it;
            default: that one, unknown parameters drawn from their ranges by the seed.
        label: None or "auto" (to be found), or the name or number of a class.
        fit: "auto" keeps as much of the picture as its degradation allows: holes are filled in a window, y
            of x's size is stretched, others must be of their size. "crop", "pad", "stretch" say how instead;
            "object" works in a square around what the weight marks, and leaves the rest of the picture.
        target: whether a simulated y is rounded as a "file" would be, or stays "float".
        weight: how much each pixel of the picture counts in what compares pixels, white fully and black not at all:
            a picture of the same size, or a tensor in [0, 1] (``dgp.weight.open_weight``); None: all alike.
        seed: for random masks and simulated noise.

    Raises InputError, degradations.DegradationError or generators.ClassError, one line each.
    """
    if fit not in g.FITS:
        raise InputError(f"got fit={fit!r}, expected one of {', '.join(g.FITS)}")
    if target not in ("file", "float"):
        raise InputError(f"got target={target!r}, expected 'file' or 'float'")
    if not isinstance(degradation, str | Degradation):
        raise InputError(f"got degradation={degradation!r}, expected a spec such as 'gray', or a Degradation")
    if degradation == "auto":
        from dgp.identify.auto import observe_auto

        rest = {"label": label, "target": target, "weight": weight}
        return observe_auto(picture, prior, fit=fit, seed=seed, simulate=simulate, truth=truth, **rest)
    source = open_picture(picture)
    asked = degradations.parse(degradation) if isinstance(degradation, str) else degradation
    number = None if label is None or label == "auto" else prior.generator.info.class_index(label)
    resolution = prior.generator.info.resolution
    image = flatten(source)[0]
    weighed = None if weight is None else open_weight(weight, image.size)
    if fit == "object" and weighed is None:
        raise InputError("got fit 'object' without a weight, which says where the object is; give --weight FILE")
    window = weighed.square(resolution) if fit == "object" else None
    key = source.pixels_sha256
    true = None
    if truth is not None and not simulate:
        raise InputError("got a truth for a picture that is not simulated; leave it out, or add simulate")
    if simulate:
        place, operator, original = _simulated(asked, source, image, fit, window, resolution, seed)
        degradations.try_out(operator, (resolution, resolution))
        true = _true(operator, truth, source, image, fit, window, resolution, seed, key)
        measure = true.simulate if target == "file" else true.measure
        with torch.no_grad():
            y = measure(original, stream(seed, f"noise {key}", 0))
        _same_shape(y, operator, true, resolution)
        whole, true = operator, None if true is operator else true
    else:
        size = tuple(asked.size((resolution, resolution)))
        if not asked.scales and image.size != size[::-1]:
            raise InputError(
                f"got {image.width}x{image.height}, expected {size[1]}x{size[0]}; what {asked.spec} gives cannot be "
                "scaled, pixel for pixel as it is, so make it of a picture of the prior's size"
            )
        fitting = _same_size if size == (resolution, resolution) else _smaller
        if isinstance(asked, Part):
            fitting = _framed
        place, operator, whole, y = fitting(asked, source, image, fit, window, resolution, seed)
        original = None
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
        weight=None if weighed is None else weighed.fitted(place.used or place.box, (y.shape[-1], y.shape[-2])),
        weighed=weighed,
        notes=source.notes if simulate else _notes(source, whole),
        estimates=estimates,
        truth=true,
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
        return source.notes
    alpha = np.asarray(flatten(source)[1])
    through = "what is half transparent was laid on white" if ((alpha >= 128) & (alpha < 255)).any() else None
    return tuple(filter(None, (through if note == LAID_ON_WHITE else note for note in source.notes)))


def _simulated(asked, source, image, fit, window, resolution, seed) -> tuple[Geometry, Degradation, Tensor]:
    """The clean picture at the prior's resolution, and the operator there.

    Nothing comes back to the input's size: what was degraded, and is measured, is the fitted picture.
    """
    box, placed = _box(image.size, "crop" if fit == "auto" else fit, window, resolution)
    square = (resolution, resolution)
    original = g.tensor_at(image, box, resolution)
    try:
        operator = asked.build(source.image if image.size == square else None, seed, square)
    except degradations.MaskError:
        if image.size == square or tuple(asked.size(square)) != square:
            raise
        # A mask that was drawn on the photograph is fitted with it.
        full = asked.build(source.image, seed, image.size[::-1])
        operator = _moved(full, image.size, box, square)
    place = Geometry(fit, placed, resolution, image.size, box, square, square)
    return place, operator, original


def _true(operator, truth, source, image, fit, window, resolution, seed, key) -> Degradation:
    """The operator that makes y of the original, at the prior's resolution."""
    if truth is not None:
        asked = degradations.parse(truth) if isinstance(truth, str) else truth
        if asked.unknowns():
            raise InputError(f"got the truth {asked.spec!r}, expected one without unknowns; give their values")
        return _simulated(asked, source, image, fit, window, resolution, seed)[1]
    random = stream(seed, f"truth {key}", 0)
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


def _smaller(asked, source, image, fit, window, resolution, seed):
    """y is smaller than x: the input must have the size that the prior's resolution is degraded to."""
    height, width = asked.size((resolution, resolution))
    factor = resolution / height
    if image.size != (width, height) and fit == "auto":
        got, even = f"{image.width}x{image.height}", width == height
        part = f"1/{factor:g}" if even else f"1/{resolution / width:g} of the width and 1/{factor:g} of the height"
        raise InputError(
            f"got {got}, expected {width}x{height} ({part} of the prior's {resolution}x{resolution}); "
            "use --fit crop|pad|stretch" + (f", or a prior of {round(max(image.size) * factor)} px" if even else "")
        )
    box, placed = _box(image.size, fit, window, resolution, (width, height))
    # The answer has the size that the factor promises of the input, or of the part of it that was used.
    across, down = (resolution / width, resolution / height)
    shown = (round((box[2] - box[0]) * across), round((box[3] - box[1]) * down))
    out = (round(image.width * across), round(image.height * down)) if placed == "pad" else shown
    if shown[0] * shown[1] > g.MAX_PIXELS:
        raise InputError(
            f"got {image.width}x{image.height}, whose answer would have {shown[0]}x{shown[1]} pixels; "
            f"scale it down, ideally to {width}x{height}"
        )
    operator = asked.build(source.image if image.size == (width, height) else None, seed, (resolution, resolution))
    degradations.try_out(operator, (resolution, resolution))
    y = operator.read(g.fitted(image, box, (width, height)))
    return Geometry(fit, placed, resolution, image.size, box, shown, out), operator, operator, y


def _framed(asked, source, image, fit, window, resolution, seed):
    """y is a part of x that stays where it is: what is around it is added at the input's own size."""
    if fit not in ("auto", "stretch", "crop"):
        raise InputError(f"got fit {fit!r}, which {asked.spec} cannot be; use --fit auto, stretch or crop")
    operator = asked.build(source.image, seed, (resolution, resolution))
    left, top, right, bottom = operator.frame((resolution, resolution))
    used = g.crop_box(image.size) if fit == "crop" else g.whole_box(image.size)
    y = operator.read(g.fitted(image, used, (right - left, bottom - top)))
    part = image.crop(used)
    across, down = part.width / (right - left), part.height / (bottom - top)
    out, corner = (round(resolution * across), round(resolution * down)), (round(left * across), round(top * down))
    if out[0] * out[1] > g.MAX_PIXELS:
        raise InputError(
            f"got {image.width}x{image.height}, whose answer would have {out[0]}x{out[1]} pixels; scale it down first"
        )
    canvas = Image.new(part.mode, out, 128 if part.mode == "L" else (128,) * len(part.getbands()))
    canvas.paste(part, corner)
    missing = np.ones(out[::-1], bool)
    missing[corner[1] : corner[1] + part.height, corner[0] : corner[0] + part.width] = False
    box = (used[0] - corner[0], used[1] - corner[1], used[0] - corner[0] + out[0], used[1] - corner[1] + out[1])
    place = Geometry(fit, "framed", resolution, image.size, box, out, out, canvas, None, missing, used)
    return place, operator, operator, y


def _same_size(asked, source, image, fit, window, resolution, seed):
    """y has the size of x. What it tells is kept at the input's size where pixels stayed in place."""
    full = image.size
    whole = asked.build(source.image, seed, full[::-1])
    hidden = whole.blank(full[::-1])
    missing = None if hidden is None else hidden[0].cpu().numpy()
    grey, pasted = whole.channels(3) == 1, missing is not None and _passes(whole, full, resolution)
    box, placed = _box(full, fit, window, resolution)
    if fit == "auto" and pasted and placed != "whole" and (around := g.window_box(missing, resolution)):
        box, placed = around, "window"
    hole = missing is not None and whole.pointwise
    if fit == "object" and hole and g.cut(missing, box).sum() < missing.sum():
        raise InputError("part of the hole lies outside the square around the object; use --fit auto")
    if hole and not g.cut(missing, box).any():
        raise InputError("nothing is missing in the centred square; use --fit auto, which works around the hole")
    operator = _moved(whole, full, box, (resolution, resolution))
    degradations.try_out(operator, (resolution, resolution))
    y = operator.read(g.fitted(image, box, (resolution, resolution), missing))
    extent = box if placed == "crop" else g.whole_box(full)
    out = (extent[2] - extent[0], extent[3] - extent[1])
    seen = g.fitted(image, extent, out)
    keep = pasted or (grey and whole.pointwise)
    place = Geometry(
        fit,
        placed,
        resolution,
        full,
        box,
        (box[2] - box[0], box[3] - box[1]),
        out,
        seen,
        _moved(whole, full, extent, out) if keep else None,
        g.cut(missing, extent) if pasted else None,
    )
    return place, operator, whole, y


def _box(size, fit, window, resolution, expected=None) -> tuple[g.Box, str]:
    """What of the input is used, and the word for it. expected: (width, height), default the prior's."""
    if window is not None and size != (window[2] - window[0], window[3] - window[1]):
        return window, "window"
    if size == (expected or (resolution, resolution)):
        return g.whole_box(size), "whole"
    if fit == "crop":
        return g.crop_box(size), "crop"
    if fit == "pad":
        return g.pad_box(size), "pad"
    return g.whole_box(size), "stretch"


def _passes(whole: Degradation, full: tuple[int, int], resolution: int) -> bool:
    """Whether what is observed of a picture is the picture itself, so that it can be kept; tried at R x R."""
    if not whole.pointwise or whole.channels(3) != 3:
        return False
    if any(getattr(part, "noise", None) is not None for part in whole.modules()):
        return False
    operator = _moved(whole, full, g.whole_box(full), (resolution, resolution))
    x = torch.rand(1, 3, resolution, resolution, generator=torch.Generator().manual_seed(0)) * 2 - 1
    hidden = operator.unobserved((resolution, resolution))
    seen = torch.ones(1, 1, resolution, resolution) if hidden is None else ~hidden[:, None]
    with torch.no_grad():
        return bool(torch.equal(operator(x) * seen, x * seen))


def _moved(operator: Degradation, full: tuple[int, int], box: g.Box, size: tuple[int, int]) -> Degradation:
    """An operator built for a picture of size `full`, for what `box` shows of it at `size` (width, height).

    Only masks know where they are; every link that only hides pixels is made anew from its fitted mask.
    """
    if box == g.whole_box(full) and size == full:
        return operator
    if links := getattr(operator, "links", None):
        return degradations.Chain(_moved(link, full, box, size) for link in links)
    if not operator.pointwise:
        return operator
    hidden = operator.unobserved(full[::-1])
    if hidden is None:
        return operator
    mask = g.fitted_mask(hidden[0].cpu().numpy(), box, size)
    if not mask.any():
        return degradations.Identity()
    return degradations.Inpaint.of(torch.from_numpy(mask)[None, None])
