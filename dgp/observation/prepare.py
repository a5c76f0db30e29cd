"""Opening a picture and bringing it to the prior's resolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import degradations
from degradations import Degradation
from dgp.errors import InputError
from dgp.faces.detector import DEFAULT, FaceDetector
from dgp.observation.boxes import FITS
from dgp.observation.faces import ALIGNMENTS, locate_faces
from dgp.observation.framing.degraded import frame_degraded
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.framing.simulation import simulate_at_photo, simulate_at_prior
from dgp.observation.images import BLENDED_WITH_WHITE, Picture, flatten, open_picture
from dgp.observation.observation import Observation
from dgp.observation.weight_map import open_weight
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
    simulate_at: str = "prior",
    truth: str | Degradation | None = None,
    fit: str = "auto",
    target: str = "file",
    weight=None,
    align: str = "none",
    landmarks=None,
    detector: str | FaceDetector = DEFAULT,
    seed: int = 0,
) -> Observation:
    """Open a picture and bring it to the prior's resolution; unknown parameters are in the middle of their ranges.

    Arguments and errors are those of ``dgp.observe``, but for the degradation "auto".
    """
    _refuse_words(degradation, fit, target, simulate_at)
    if align != "none" or landmarks is not None:
        _refuse_with_faces(align, degradation, fit, weight)
    if simulate_at == "photo" and not simulate:
        raise InputError("got simulate_at='photo' without simulating; add --simulate (in Python: simulate=True)")
    if truth is not None and not simulate:
        raise InputError("got a truth without simulating; leave it out, or add --simulate (in Python: simulate=True)")
    source = open_picture(picture)
    asked = degradations.parse(degradation) if isinstance(degradation, str) else degradation
    number = None if label is None or label == "auto" else prior.generator.info.class_index(label)
    resolution = prior.generator.info.resolution
    weighed = None if weight is None else open_weight(weight, source.size)
    if fit == "object" and weighed is None:
        raise InputError("got fit 'object' without a weight, which says where the object is; give --weight FILE")
    window = weighed.object_box(resolution) if fit == "object" else None
    faces = locate_faces(source, landmarks, detector) if align == "face" else ()
    request = FramingRequest(source, fit, window, resolution=resolution, seed=seed, faces=faces)
    key = source.pixels_sha256
    if not simulate:
        simulated, framed = None, frame_degraded(asked, request)
        notes = _notes(source, framed.whole)
    else:
        if simulate_at == "photo":
            simulated = simulate_at_photo(asked, truth, request, key)
        else:
            simulated = simulate_at_prior(asked, truth, request, key, rounded=target == "file")
        framed = simulated.framed
        notes = (*source.notes, *framed.whole.remarks)
    geometry, operator, y = framed.geometry, framed.operator, framed.y
    if y.shape[1] not in (1, 3):
        operator.lift(y, (resolution, resolution))  # an error comes now rather than when the answer is to be shown
    box = geometry.used_box or geometry.box
    shown = None if weighed is None else weighed.fit_box(box, (y.shape[-1], y.shape[-2]))
    first = Observation(
        y=y,
        degradation=operator,
        source=source,
        geometry=geometry,
        key=key,
        asked=asked.asked or (degradation if isinstance(degradation, str) else asked.spec),
        whole=framed.whole,
        original=simulated and simulated.original,
        clean=simulated and simulated.clean,
        label=number,
        target=target,
        weight=shown,
        weighed=weighed,
        notes=(*notes, *framed.notes),
        truth=simulated and simulated.truth,
    )
    return replace(first, others=tuple(_observe_window(first, part, k) for k, part in enumerate(framed.others, 2)))


def _observe_window(first: Observation, part: FramedInput, number: int) -> Observation:
    """Return the observation of another window of the same photograph, with random streams of its own."""
    side = part.geometry.resolution
    original = None if first.clean is None else part.geometry.show(first.clean)
    weight = None if first.weighed is None else first.weighed.fit_box(part.geometry.box, (side, side))
    return replace(
        first,
        y=part.y,
        degradation=part.operator,
        geometry=part.geometry,
        key=f"{first.key} window {number}",
        original=original,
        weight=weight,
        notes=(),
    )


def _refuse_words(degradation: str | Degradation, fit: str, target: str, simulate_at: str) -> None:
    if fit not in FITS:
        raise InputError(f"got fit={fit!r}, expected one of {', '.join(FITS)}")
    if target not in ("file", "float"):
        raise InputError(f"got target={target!r}, expected 'file' or 'float'")
    if simulate_at not in ("prior", "photo"):
        raise InputError(f"got simulate_at={simulate_at!r}, expected 'prior' or 'photo'")
    if not isinstance(degradation, str | Degradation):
        raise InputError(f"got degradation={degradation!r}, expected a spec such as 'gray', or a Degradation")


def _refuse_with_faces(align: str, degradation: str | Degradation, fit: str, weight) -> None:
    """Raise InputError for arguments that cannot be combined with the alignment of faces."""
    if align not in ALIGNMENTS:
        raise InputError(f"got align={align!r}, expected one of {', '.join(ALIGNMENTS)}")
    if align == "none":
        raise InputError("got landmarks without aligning; add --align face (in Python: align='face')")
    if fit != "auto" or weight is not None:
        got = "a weight" if weight is not None else f"fit {fit!r}"
        raise InputError(f"got {got} with --align face, which places the square itself; leave one of them out")
    operator = degradations.parse(degradation) if isinstance(degradation, str) else degradation
    if operator.unknowns():
        raise InputError(f"got unknown values in {operator.spec} with --align face, expected numbers; give them")


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
