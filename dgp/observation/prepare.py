"""Opening a picture and bringing it to the prior's resolution."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import degradations
from degradations import Degradation
from dgp.errors import InputError
from dgp.observation.boxes import FITS
from dgp.observation.framing.clean import frame_clean
from dgp.observation.framing.degraded import frame_degraded
from dgp.observation.framing.request import FramingRequest
from dgp.observation.images import BLENDED_WITH_WHITE, Picture, flatten, open_picture
from dgp.observation.observation import Observation
from dgp.observation.weight_map import open_weight
from dgp.random_streams import random_stream
from generators import Prior
from generators.progress import waiting


@waiting("preparing the picture")
def prepare(
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
    """Open a picture and bring it to the prior's resolution; unknown parameters are in the middle of their ranges.

    Arguments and errors are those of ``dgp.observe``, but for the degradation "auto".
    """
    _refuse_words(degradation, fit, target)
    source = open_picture(picture)
    asked = degradations.parse(degradation) if isinstance(degradation, str) else degradation
    number = None if label is None or label == "auto" else prior.generator.info.class_index(label)
    resolution = prior.generator.info.resolution
    weighed = None if weight is None else open_weight(weight, source.size)
    if fit == "object" and weighed is None:
        raise InputError("got fit 'object' without a weight, which says where the object is; give --weight FILE")
    window = weighed.object_box(resolution) if fit == "object" else None
    request = FramingRequest(source, fit, window, resolution=resolution, seed=seed)
    key = source.pixels_sha256
    true = original = None
    if truth is not None and not simulate:
        raise InputError("got a truth without simulating; leave it out, or add --simulate (in Python: simulate=True)")
    if simulate:
        geometry, operator, original = frame_clean(asked, request)
        degradations.try_out(operator, request.square)
        true = _true_operator(operator, truth, request, key)
        measure = true.simulate if target == "file" else true.measure
        with torch.no_grad():
            y = measure(original, random_stream(seed, f"noise {key}", 0))
        _refuse_other_shape(y, operator, true, resolution)
        whole, true = operator, None if true is operator else true
        notes = (*source.notes, *whole.remarks)
    else:
        found = frame_degraded(asked, request)
        geometry, operator, whole, y = found.geometry, found.operator, found.whole, found.y
        notes = (*_notes(source, whole), *found.notes)
    if y.shape[1] not in (1, 3):
        operator.lift(y, (resolution, resolution))  # an error comes now rather than when the answer is to be shown
    box = geometry.used_box or geometry.box
    shown = None if weighed is None else weighed.fit_box(box, (y.shape[-1], y.shape[-2]))
    return Observation(
        y=y,
        degradation=operator,
        source=source,
        geometry=geometry,
        key=key,
        asked=asked.asked or (degradation if isinstance(degradation, str) else asked.spec),
        whole=whole,
        original=original,
        label=number,
        target=target,
        weight=shown,
        weighed=weighed,
        notes=notes,
        truth=true,
    )


def _refuse_words(degradation: str | Degradation, fit: str, target: str) -> None:
    if fit not in FITS:
        raise InputError(f"got fit={fit!r}, expected one of {', '.join(FITS)}")
    if target not in ("file", "float"):
        raise InputError(f"got target={target!r}, expected 'file' or 'float'")
    if not isinstance(degradation, str | Degradation):
        raise InputError(f"got degradation={degradation!r}, expected a spec such as 'gray', or a Degradation")


def _notes(source: Picture, whole: Degradation) -> tuple[str, ...]:
    """Return what was done to the picture.

    Where transparency marks the hole, only half-transparent pixels were blended with white.
    """
    if whole.alpha_mask(source.size[::-1]) is None:
        return (*source.notes, *whole.remarks)
    alpha = np.asarray(flatten(source)[1])
    through = "half-transparent pixels were blended with white" if ((alpha >= 128) & (alpha < 255)).any() else None
    notes = (through if note == BLENDED_WITH_WHITE else note for note in source.notes)
    return (*filter(None, notes), *whole.remarks)


def _true_operator(
    operator: Degradation, truth: str | Degradation | None, request: FramingRequest, key: str
) -> Degradation:
    """Return the operator that makes y of the original, at the prior's resolution."""
    if truth is not None:
        asked = degradations.parse(truth) if isinstance(truth, str) else truth
        if asked.unknowns():
            raise InputError(f"got the truth {asked.spec!r}, expected one without unknowns; give their values")
        return frame_clean(asked, request)[1]
    random = random_stream(request.seed, f"truth {key}", 0)
    drawn = {
        name: unknown.value(float(torch.rand((), generator=random))) for name, unknown in operator.unknowns().items()
    }
    return operator.with_values(drawn) if drawn else operator


def _refuse_other_shape(y: Tensor, operator: Degradation, true: Degradation, resolution: int) -> None:
    """Raise InputError where what one operator makes cannot be explained by the other."""
    expected = (operator.channels(3), *operator.size((resolution, resolution)))
    if tuple(y.shape[1:]) != expected:
        raise InputError(
            f"got an observation of {tuple(y.shape[1:])} from {true.spec}, expected {expected} as of {operator.spec}; "
            "the two must give the same size and channels"
        )
