"""Framing of an observation that is smaller than x, as after downsampling."""

from __future__ import annotations

import degradations
from degradations import Degradation
from degradations.files.decoding import MAX_PIXELS
from dgp.errors import InputError
from dgp.observation.boxes import Box
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.full_size.photograph import Photograph
from dgp.observation.geometry import Geometry
from dgp.observation.resizing import fit_picture

LARGE = 1024  # resolution of a large prior, as an example in a message


def frame_smaller(degradation: Degradation, request: FramingRequest) -> FramedInput:
    """Fit an observation that is smaller than x: the input must have the size of a degraded picture of R x R.

    Raises:
        InputError: with fit "auto", the input has another size; or the output would be too large.
    """
    image, fit, resolution = request.image, request.fit, request.resolution
    height, width = degradation.size(request.square)
    if image.size != (width, height) and fit == "auto":
        raise InputError(_wrong_size_message(image.size, (width, height), resolution))
    box, placement = request.choose_box(fit, (width, height))
    # The output is as many times larger than the input, or than the used part of it, as the degradation shrinks.
    across, down = (resolution / width, resolution / height)
    box_size = (round((box[2] - box[0]) * across), round((box[3] - box[1]) * down))
    if request.clean is not None and placement == "stretch":
        box_size = request.clean.size
    output_size = (round(image.width * across), round(image.height * down)) if placement == "pad" else box_size
    if box_size[0] * box_size[1] > max(MAX_PIXELS, image.width * image.height):
        raise InputError(
            f"got {image.width}x{image.height}, whose result would have {box_size[0]}x{box_size[1]} pixels; "
            f"scale it down, ideally to {width}x{height}"
        )
    operator = degradation.build(
        request.source.image if image.size == (width, height) else None, request.seed, request.square
    )
    degradations.try_out(operator, request.square)
    y = operator.read(fit_picture(image, box, (width, height)))
    geometry = Geometry(
        fit,
        placement,
        resolution,
        input_size=image.size,
        box=box,
        box_size=box_size,
        output_size=output_size,
        photograph=_photograph(degradation, request, box, box_size) if placement in ("crop", "stretch") else None,
    )
    if placement == "whole":
        return FramedInput(geometry, operator, operator, y)
    part = f"the centred {box[2] - box[0]}x{box[3] - box[1]} of " if placement == "crop" else ""
    scaled = f"{part}the picture's {image.width}x{image.height} was scaled to {width}x{height} (--fit {fit})"
    return FramedInput(geometry, operator, operator, y, notes=(scaled,))


def _photograph(
    degradation: Degradation, request: FramingRequest, box: Box, size: tuple[int, int]
) -> Photograph | None:
    """Return the used part of the input with the operator that makes it of a picture of the output's size.

    None if the operator gives another size, or cannot be built without the picture.

    Args:
        degradation: the operator, not yet built for a size.
        request: the picture.
        box: the used part.
        size: (width, height) of the output.
    """
    try:
        operator = degradation.build(None, request.seed, size[::-1])
    except degradations.MaskError:
        return None
    part = request.image.crop(box)
    return Photograph(part, operator, size) if tuple(operator.size(size[::-1])) == part.size[::-1] else None


def _wrong_size_message(got: tuple[int, int], expected: tuple[int, int], resolution: int) -> str:
    """Return the message for a picture of the wrong size; `got` and `expected` are (width, height)."""
    (width, height), across, down = expected, resolution / expected[0], resolution / expected[1]
    part = f"1/{across:g}" if width == height else f"1/{across:g} of the width and 1/{down:g} of the height"
    larger = got[0] >= width and got[1] >= height
    needs = f"{round(LARGE / across)}x{round(LARGE / down)}"
    window = f"cut out a window of that size, use a larger prior (-p; one of {LARGE} px takes {needs})"
    first = window if larger else "use a picture of that size"
    scale = (
        f"shrink the picture to {width}x{height} first, which loses its detail" if larger else "bring it to that size"
    )
    return (
        f"got {got[0]}x{got[1]}, expected {width}x{height} ({part} of the prior's {resolution}x{resolution}): {first}, "
        f"or let --fit crop|pad|stretch {scale}: the answer is {resolution}x{resolution}, enlarged"
    )
