"""How a picture of any size comes before a prior: what of it the square shows, and the operator there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import degradations
from degradations import Degradation
from degradations.operators.crop import Window
from dgp.errors import InputError
from dgp.observation import geometry as g
from dgp.observation.geometry import Geometry
from dgp.observation.images import Picture, flatten

LARGE = 1024  # px a side of a prior, as an example in a message


@dataclass(frozen=True, eq=False)
class Framing:
    """What is brought before a prior, and how.

    fit: as asked (``dgp.observation.geometry.FITS``).  window: the box to work in, where it is known, of the input's pixels.
    resolution: R of the prior.  seed: of random masks.
    """

    source: Picture
    fit: str
    window: g.Box | None
    resolution: int
    seed: int

    @cached_property
    def image(self) -> Image.Image:
        """Without transparency."""
        return flatten(self.source)[0]

    @property
    def square(self) -> tuple[int, int]:
        return self.resolution, self.resolution

    def box(self, fit: str, expected: tuple[int, int] | None = None) -> tuple[g.Box, str]:
        """What of the input is used, and the word for it. expected: (width, height), default the prior's."""
        size, window = self.image.size, self.window
        if window is not None and size != (window[2] - window[0], window[3] - window[1]):
            return window, "window"
        if size == (expected or self.square):
            return g.whole_box(size), "whole"
        if fit == "crop":
            return g.crop_box(size), "crop"
        if fit == "pad":
            return g.pad_box(size), "pad"
        return g.whole_box(size), "stretch"


@dataclass(frozen=True, eq=False)
class Framed:
    """geometry: the way back to the input's size.  operator: what makes such a y of an x (1, 3, R, R).  whole: as built
    for the input's own size.  y: (1, c, h, w), what the prior's square shows of the input.  notes: what of the input's
    pixels is lost on the way, in words."""

    geometry: Geometry
    operator: Degradation
    whole: Degradation
    y: Tensor
    notes: tuple[str, ...] = ()


def framed(asked: Degradation, framing: Framing) -> Framed:
    """A picture that is degraded already. Raises InputError, degradations.DegradationError."""
    image, size = framing.image, tuple(asked.size(framing.square))
    if not asked.scales and image.size != size[::-1]:
        raise InputError(
            f"got {image.width}x{image.height}, expected {size[1]}x{size[0]}; the result of {asked.spec} "
            "cannot be resized; make it from a picture of the prior's size"
        )
    if isinstance(asked, Window):
        return _part(asked, framing)
    return _same_size(asked, framing) if size == framing.square else _smaller(asked, framing)


def simulated(asked: Degradation, framing: Framing) -> tuple[Geometry, Degradation, Tensor]:
    """The clean picture at the prior's resolution, and the operator there.

    Nothing comes back to the input's size: what was degraded, and is measured, is the fitted picture.
    """
    image, fit, resolution = framing.image, framing.fit, framing.resolution
    box, placed, square = *framing.box("crop" if fit == "auto" else fit), framing.square
    original = g.tensor_at(image, box, resolution)
    try:
        operator = asked.build(framing.source.image if image.size == square else None, framing.seed, square)
    except degradations.MaskError:
        if image.size == square or tuple(asked.size(square)) != square:
            raise
        # A mask that was drawn on the photograph is fitted with it.
        full = asked.build(framing.source.image, framing.seed, image.size[::-1])
        operator = _moved(full, image.size, box, square)
    place = Geometry(fit, placed, resolution, image.size, box, square, square)
    return place, operator, original


def _smaller(asked: Degradation, framing: Framing) -> Framed:
    """y is smaller than x: the input must have the size that the prior's resolution is degraded to."""
    image, fit, resolution = framing.image, framing.fit, framing.resolution
    height, width = asked.size(framing.square)
    if image.size != (width, height) and fit == "auto":
        raise InputError(_no_such_size(image.size, (width, height), resolution))
    box, placed = framing.box(fit, (width, height))
    # The answer has the size that the factor promises of the input, or of the part of it that was used.
    across, down = (resolution / width, resolution / height)
    shown = (round((box[2] - box[0]) * across), round((box[3] - box[1]) * down))
    out = (round(image.width * across), round(image.height * down)) if placed == "pad" else shown
    if shown[0] * shown[1] > g.MAX_PIXELS:
        raise InputError(
            f"got {image.width}x{image.height}, whose result would have {shown[0]}x{shown[1]} pixels; "
            f"scale it down, ideally to {width}x{height}"
        )
    operator = asked.build(
        framing.source.image if image.size == (width, height) else None, framing.seed, framing.square
    )
    degradations.try_out(operator, framing.square)
    y = operator.read(g.fitted(image, box, (width, height)))
    place = Geometry(fit, placed, resolution, image.size, box, shown, out)
    if placed == "whole":
        return Framed(place, operator, operator, y)
    part = f"the centred {box[2] - box[0]}x{box[3] - box[1]} of " if placed == "crop" else ""
    scaled = f"{part}the picture's {image.width}x{image.height} was scaled to {width}x{height} (--fit {fit})"
    return Framed(place, operator, operator, y, (scaled, *_enlarged(place)))


def _no_such_size(got: tuple[int, int], expected: tuple[int, int], resolution: int) -> str:
    """Return a refusal that names what can be done. got, expected: (width, height)."""
    (width, height), across, down = expected, resolution / expected[0], resolution / expected[1]
    part = f"1/{across:g}" if width == height else f"1/{across:g} of the width and 1/{down:g} of the height"
    larger = got[0] >= width and got[1] >= height
    takes = f"{round(LARGE / across)}x{round(LARGE / down)}"
    window = f"cut out a window of that size, use a larger prior (-p; one of {LARGE} px takes {takes})"
    first = window if larger else "use a picture of that size"
    scale = (
        f"shrink the picture to {width}x{height} first, which loses its detail" if larger else "bring it to that size"
    )
    return (
        f"got {got[0]}x{got[1]}, expected {width}x{height} ({part} of the prior's {resolution}x{resolution}): {first}, "
        f"or let --fit crop|pad|stretch {scale}: the answer is {resolution}x{resolution}, enlarged"
    )


def _part(asked: Degradation, framing: Framing) -> Framed:
    """y is a part of x that stays where it is: what is around it is added at the input's own size."""
    image, fit, resolution = framing.image, framing.fit, framing.resolution
    if fit not in ("auto", "stretch", "crop"):
        raise InputError(f"got fit {fit!r}, which {asked.spec} does not allow; use --fit auto, stretch or crop")
    operator = asked.build(framing.source.image, framing.seed, framing.square)
    left, top, right, bottom = operator.frame(framing.square)
    used = g.crop_box(image.size) if fit == "crop" else g.whole_box(image.size)
    y = operator.read(g.fitted(image, used, (right - left, bottom - top)))
    part = image.crop(used)
    across, down = part.width / (right - left), part.height / (bottom - top)
    out, corner = (round(resolution * across), round(resolution * down)), (round(left * across), round(top * down))
    if out[0] * out[1] > g.MAX_PIXELS:
        raise InputError(
            f"got {image.width}x{image.height}, whose result would have {out[0]}x{out[1]} pixels; scale it down first"
        )
    canvas = Image.new(part.mode, out, 128 if part.mode == "L" else (128,) * len(part.getbands()))
    canvas.paste(part, corner)
    missing = np.ones(out[::-1], bool)
    missing[corner[1] : corner[1] + part.height, corner[0] : corner[0] + part.width] = False
    box = (used[0] - corner[0], used[1] - corner[1], used[0] - corner[0] + out[0], used[1] - corner[1] + out[1])
    place = Geometry(fit, "framed", resolution, image.size, box, out, out, canvas, None, missing, used)
    return Framed(place, operator, operator, y)


def _same_size(asked: Degradation, framing: Framing) -> Framed:
    """y has the size of x. What it tells is kept at the input's size where pixels stayed in place."""
    image, fit, resolution = framing.image, framing.fit, framing.resolution
    full = image.size
    whole = asked.build(framing.source.image, framing.seed, full[::-1])
    hidden = whole.uninformative(full[::-1])
    missing = None if hidden is None else hidden[0].cpu().numpy()
    grey, pasted = whole.channels(3) == 1, missing is not None and _passes(whole, full, resolution)
    box, placed = framing.box(fit)
    if fit == "auto" and pasted and placed != "whole" and (around := g.window_box(missing, resolution)):
        box, placed = around, "window"
    hole = missing is not None and whole.pointwise
    if fit == "object" and hole and g.cut(missing, box).sum() < missing.sum():
        raise InputError("part of the hole lies outside the square around the object; use --fit auto")
    if hole and not g.cut(missing, box).any():
        raise InputError("nothing is missing in the centred square; use --fit auto, which works around the hole")
    operator = _moved(whole, full, box, framing.square)
    degradations.try_out(operator, framing.square)
    y = operator.read(g.fitted(image, box, framing.square, missing))
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
    kept = keep or placed == "window"
    return Framed(place, operator, whole, y, () if kept else _enlarged(place))


def _enlarged(place: Geometry) -> tuple[str, ...]:
    """Return a note where the answer is no more than the prior's picture, enlarged."""
    if max(place.out) <= place.resolution:
        return ()
    return (
        f"the answer is the prior's {place.resolution}x{place.resolution}, enlarged to {place.out[0]}x{place.out[1]}",
    )


def _passes(whole: Degradation, full: tuple[int, int], resolution: int) -> bool:
    """Whether what is observed of a picture is the picture itself, so that it can be kept; tried at R x R."""
    if not whole.pointwise or whole.channels(3) != 3:
        return False
    if any(part.noise is not None for part in whole.operators()):
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
    if isinstance(operator, degradations.Chain):
        return degradations.Chain(_moved(link, full, box, size) for link in operator.links)
    if not operator.pointwise:
        return operator
    hidden = operator.unobserved(full[::-1])
    if hidden is None:
        return operator
    mask = g.fitted_mask(hidden[0].cpu().numpy(), box, size)
    if not mask.any():
        return degradations.Identity()
    return degradations.Inpaint.of(torch.from_numpy(mask)[None, None])
