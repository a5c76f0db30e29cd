"""Framing of a picture that is degraded already."""

from __future__ import annotations

from degradations import Degradation, Window
from dgp.errors import InputError
from dgp.observation.framing.part import frame_part
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.framing.same_size import frame_same_size
from dgp.observation.framing.smaller import frame_smaller


def frame_degraded(degradation: Degradation, request: FramingRequest) -> FramedInput:
    """Fit a degraded picture into the prior's square.

    Args:
        degradation: the operator that damaged the picture, not yet built for a size.
        request: the picture, and how it shall be fitted.

    Raises:
        InputError: the picture has a size that the degradation or the fit does not allow.
        degradations.DegradationError: the operator cannot be built for the picture.
    """
    image, size = request.image, tuple(degradation.size(request.square))
    if not degradation.scales and image.size != size[::-1]:
        raise InputError(
            f"got {image.width}x{image.height}, expected {size[1]}x{size[0]}; the result of {degradation.spec} "
            "cannot be resized; make it from a picture of the prior's size"
        )
    if isinstance(degradation, Window):
        return frame_part(degradation, request)
    return frame_same_size(degradation, request) if size == request.square else frame_smaller(degradation, request)
