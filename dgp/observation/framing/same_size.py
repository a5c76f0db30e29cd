"""Framing of an observation that has the size of x, such as a grey picture or one with a hole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

import degradations
from degradations import Degradation
from dgp.errors import InputError
from dgp.observation.boxes import Box, crop_array, whole_box
from dgp.observation.framing.operator import keeps_pixels, operator_for_box
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.framing.windows import group_holes
from dgp.observation.full_size.photograph import Photograph
from dgp.observation.geometry import Geometry
from dgp.observation.resizing import fit_picture


def frame_same_size(degradation: Degradation, request: FramingRequest) -> FramedInput:
    """Fit an observation that has the size of x.

    With fit "auto", each group of holes is filled in a window around it, and other pictures are stretched. The
    degradation is scaled with the picture. At the end of a run, the answer is merged with the picture at the input's
    own size.

    Raises:
        InputError: the part of the picture that is used does not contain the hole.
    """
    image, fit, resolution = request.image, request.fit, request.resolution
    full = image.size
    whole = degradation.build(request.source.image, request.seed, full[::-1])
    hidden = whole.uninformative(full[::-1])
    missing = None if hidden is None else hidden[0].cpu().numpy()
    pasted = missing is not None and keeps_pixels(whole, full, resolution)
    box, placement = request.choose_box(fit)
    groups = group_holes(missing, resolution) if fit == "auto" and pasted and placement != "whole" else []
    if groups:
        photograph = _photograph(whole, image, whole_box(full))
        first, *others = (
            _frame_box(whole, request, photograph, window, "window", missing=missing, changed=mask)
            for mask, window in groups
        )
        return replace(first, others=tuple(others))
    hole = missing is not None and whole.pointwise
    if fit == "object" and hole and crop_array(missing, box).sum() < missing.sum():
        raise InputError("part of the hole lies outside the square around the object; use --fit auto")
    if hole and not crop_array(missing, box).any():
        raise InputError("nothing is missing in the centred square; use --fit auto, which works around the hole")
    extent = box if placement == "crop" else whole_box(full)
    changed = crop_array(missing, extent) if pasted else None
    photograph = _photograph(whole, image, extent)
    return _frame_box(whole, request, photograph, box, placement, missing=missing, changed=changed)


def _photograph(whole: Degradation, image: Image.Image, extent: Box) -> Photograph:
    """Return a part of the input at its own size, with the degradation for it."""
    size = (extent[2] - extent[0], extent[3] - extent[1])
    return Photograph(fit_picture(image, extent, size), operator_for_box(whole, image.size, extent, size), size)


def _frame_box(
    whole: Degradation,
    request: FramingRequest,
    photograph: Photograph,
    box: Box,
    placement: str,
    *,
    missing: np.ndarray | None,
    changed: np.ndarray | None,
) -> FramedInput:
    """Fit a part of the input into the square.

    Args:
        whole: the degradation, built for the input's own size.
        request: the picture.
        photograph: what of it the output shows.
        box: the part.
        placement: see ``Geometry``.
        missing: (H, W) bool, the pixels without information; or None.
        changed: the pixels of the output that this part fills, bool, while all others are kept; None: all may change.
    """
    image, full = request.image, request.image.size
    operator = operator_for_box(whole, full, box, request.square)
    degradations.try_out(operator, request.square)
    if whole.scales:
        y = operator.read(fit_picture(image, box, request.square, missing))
    else:
        y = whole.shrink(whole.read(image), request.square)
    geometry = Geometry(
        request.fit,
        placement,
        request.resolution,
        input_size=full,
        box=box,
        box_size=(box[2] - box[0], box[3] - box[1]),
        output_size=photograph.size,
        observed=photograph.picture,
        photograph=photograph,
        missing=changed,
    )
    return FramedInput(geometry, operator, whole, y)
