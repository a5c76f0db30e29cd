"""Framing of a picture that is degraded already."""

from __future__ import annotations

import degradations
from degradations import Degradation, Window
from dgp.errors import InputError
from dgp.observation.framing.faces import frame_faces
from dgp.observation.framing.part import frame_part
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.framing.same_size import frame_same_size
from dgp.observation.framing.smaller import frame_smaller


def frame_degraded(degradation: Degradation, request: FramingRequest) -> FramedInput:
    """Fit a degraded picture, or each face in it, into the prior's square.

    Args:
        degradation: the operator that damaged the picture, not yet built for a size.
        request: the picture, and how it shall be fitted.

    Raises:
        InputError: the picture has a size that the degradation or the fit does not allow.
        degradations.DegradationError: the operator cannot be built for the picture.
    """
    if request.faces:
        return frame_faces(degradation, request)
    image, size = request.image, tuple(degradation.size(request.square))
    if not degradation.scales and image.size != size[::-1]:
        _refuse_unless_shrinkable(degradation, request, size)
    if isinstance(degradation, Window):
        return frame_part(degradation, request)
    return frame_same_size(degradation, request) if size == request.square else frame_smaller(degradation, request)


def _refuse_unless_shrinkable(degradation: Degradation, request: FramingRequest, size: tuple[int, int]) -> None:
    """Raise InputError where an observation that cannot be resized as a picture cannot be shrunk in another way either.

    Args:
        degradation: the operator.
        request: the picture, and how it shall be fitted.
        size: (h, w) of y at the prior's size.
    """
    width, height = request.image.size
    wrong = f"got {width}x{height}, expected {size[1]}x{size[0]}; the result of {degradation.spec} cannot be resized"
    try:
        degradation.scaled(0.5)
    except degradations.DegradationError:
        raise InputError(f"{wrong}; make it from a picture of the prior's size") from None
    if size != request.square or min(width, height) < request.resolution:
        raise InputError(f"{wrong} to this size; make it from a picture of at least the prior's size")
    if request.fit not in ("auto", "stretch"):
        raise InputError(f"{wrong} with --fit {request.fit}; use --fit auto or stretch")
