"""Framing of an observation that is a part of x (outpainting): the generator adds the surroundings."""

from __future__ import annotations

import numpy as np
from PIL import Image

from degradations import Window
from degradations.files.decoding import MAX_PIXELS
from dgp.errors import InputError
from dgp.observation.boxes import crop_box, whole_box
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.geometry import Geometry
from dgp.observation.resizing import fit_picture


def frame_part(degradation: Window, request: FramingRequest) -> FramedInput:
    """Fit an observation that is a part of x. Its pixels are kept, and surroundings are added at the input's scale.

    Raises:
        InputError: the fit is "pad" or "object", or the output would be too large.
    """
    image, fit, resolution = request.image, request.fit, request.resolution
    if fit not in ("auto", "stretch", "crop"):
        raise InputError(f"got fit {fit!r}, which {degradation.spec} does not allow; use --fit auto, stretch or crop")
    operator = degradation.build(request.source.image, request.seed, request.square)
    left, top, right, bottom = operator.frame(request.square)
    used = crop_box(image.size) if fit == "crop" else whole_box(image.size)
    y = operator.read(fit_picture(image, used, (right - left, bottom - top)))
    part = image.crop(used)
    across, down = part.width / (right - left), part.height / (bottom - top)
    out, corner = (round(resolution * across), round(resolution * down)), (round(left * across), round(top * down))
    if out[0] * out[1] > max(MAX_PIXELS, image.width * image.height):
        raise InputError(
            f"got {image.width}x{image.height}, whose result would have {out[0]}x{out[1]} pixels; scale it down first"
        )
    canvas = Image.new(part.mode, out, 128 if part.mode == "L" else (128,) * len(part.getbands()))
    canvas.paste(part, corner)
    missing = np.ones(out[::-1], bool)
    missing[corner[1] : corner[1] + part.height, corner[0] : corner[0] + part.width] = False
    geometry = Geometry(
        fit,
        "framed",
        resolution,
        input_size=image.size,
        box=(used[0] - corner[0], used[1] - corner[1], used[0] - corner[0] + out[0], used[1] - corner[1] + out[1]),
        box_size=out,
        output_size=out,
        observed=canvas,
        missing=missing,
        used_box=used,
    )
    return FramedInput(geometry, operator, operator, y)
