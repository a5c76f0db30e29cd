"""Framing of a clean picture, which is degraded afterwards."""

from __future__ import annotations

from torch import Tensor

import degradations
from degradations import Degradation
from dgp.faces.alignment import Alignment
from dgp.observation.framing.faces import fit_links
from dgp.observation.framing.operator import operator_for_box
from dgp.observation.framing.request import FramingRequest
from dgp.observation.geometry import Geometry
from dgp.observation.images import to_tensor
from dgp.observation.resizing import fit_tensor


def frame_clean(degradation: Degradation, request: FramingRequest) -> tuple[Geometry, Degradation, Tensor]:
    """Fit a clean picture into the prior's square.

    The output keeps the square's size: the fitted picture is what is degraded and what answers are compared with.

    Args:
        degradation: the operator, not yet built for a size.
        request: the picture, and how it shall be fitted; "auto" crops the centred square.

    Returns:
        The geometry, the operator for the square, and the fitted picture, (1, 3, R, R) in [-1, 1].

    Raises:
        degradations.MaskError: a mask of the degradation fits neither the square nor the picture.
    """
    if request.faces:
        return _frame_face(degradation, request)
    image, fit, resolution, square = request.image, request.fit, request.resolution, request.square
    box, placement = request.choose_box("crop" if fit == "auto" else fit)
    original = fit_tensor(image, box, resolution)
    try:
        operator = degradation.build(request.source.image if image.size == square else None, request.seed, square)
    except degradations.MaskError:
        if image.size == square or tuple(degradation.size(square)) != square:
            raise
        # The mask was drawn on the photograph, so it is fitted like the photograph.
        full = degradation.build(request.source.image, request.seed, image.size[::-1])
        operator = operator_for_box(full, image.size, box, square)
    geometry = Geometry(fit, placement, resolution, input_size=image.size, box=box, box_size=square, output_size=square)
    return geometry, operator, original


def _frame_face(degradation: Degradation, request: FramingRequest) -> tuple[Geometry, Degradation, Tensor]:
    """Fit the first face of a clean picture into the prior's square, upright, as FFHQ's pictures and PULSE's inputs."""
    face, size, square = request.faces[0], request.resolution, request.square
    place, full = Alignment.from_face(face), request.image.size
    original = to_tensor(place.picture(request.image, size).convert("RGB"))
    try:
        operator = degradation.build(None, request.seed, square)
    except degradations.MaskError:
        # The mask was drawn on the photograph, so it is turned like the photograph.
        whole = degradation.build(request.source.image, request.seed, full[::-1])
        operator = fit_links(whole, place, full, size, min(1.0, size / place.side))
    geometry = Geometry(
        request.fit, "face", size, input_size=full, box=place.box, box_size=square, output_size=square, face=face
    )
    return geometry, operator, original
