"""Simulation of observations from clean pictures, at the prior's resolution or at the photograph's own size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

import degradations
from degradations import Degradation
from dgp.errors import InputError
from dgp.observation.framing.clean import frame_clean
from dgp.observation.framing.degraded import frame_degraded
from dgp.observation.framing.request import FramedInput, FramingRequest
from dgp.observation.images import Picture, flatten, to_tensor
from dgp.random_streams import random_stream
from generators.text import pluralise


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated observation.

    Attributes:
        framed: the observation in the prior's square.
        original: the clean picture there, (1, 3, R, R) in [-1, 1].
        truth: the operator that made it, where that is another than the one that explains it; else None.
        clean: the clean picture at the output's size, if the observation was simulated at the photograph's size.
    """

    framed: FramedInput
    original: Tensor
    truth: Degradation | None
    clean: Image.Image | None = None


def simulate_at_prior(
    asked: Degradation, truth: str | Degradation | None, request: FramingRequest, key: str, *, rounded: bool
) -> Simulated:
    """Fit a clean picture to the prior's resolution, and degrade it there.

    Args:
        asked: the operator that explains the observation, not yet built.
        truth: the operator that makes it; None: `asked`, with unknown parameters drawn from their ranges.
        request: the clean picture.
        key: names the random streams of the picture.
        rounded: round the observation to 8 bits, as a file would be.
    """
    geometry, operator, original = frame_clean(asked, request)
    degradations.try_out(operator, request.square)
    true = _true_operator(operator, truth, request.seed, key, lambda other: frame_clean(other, request)[1])
    with torch.no_grad():
        y = (true.simulate if rounded else true.measure)(original, random_stream(request.seed, f"noise {key}", 0))
    _refuse_other_shape(y, operator, true, request.resolution)
    others = len(request.faces) - 1
    notes = (f"{pluralise(others, 'other face')} left out: --simulate takes the first",) if others > 0 else ()
    framed = FramedInput(geometry, operator, operator, y, notes)
    return Simulated(framed, original, None if true is operator else true)


def simulate_at_photo(
    asked: Degradation, truth: str | Degradation | None, request: FramingRequest, key: str
) -> Simulated:
    """Degrade a clean picture at its own size, and fit the result to the prior's resolution, as an opened file.

    Arguments are those of ``simulate_at_prior``.
    """
    size, picture = request.image.size[::-1], request.source.image

    def build(operator: Degradation) -> Degradation:
        return operator.build(picture, request.seed, size)

    operator = build(asked)
    degradations.try_out(operator, size)
    true = _true_operator(operator, truth, request.seed, key, build)
    clean = request.image.convert("RGB")
    with torch.no_grad():
        y = true.simulate(to_tensor(clean), random_stream(request.seed, f"noise {key}", 0))
    source = Picture(true.picture(y), request.source.path, request.source.sha256, request.source.notes)
    shrunk = source.size[0] / clean.size[0]
    faces = request.faces if shrunk == 1 else tuple(face.scaled(shrunk) for face in request.faces)
    degraded = replace(request, source=source, clean=clean, faces=faces)
    if flatten(source)[0].size != clean.size and request.window is not None:
        raise InputError("got fit 'object' with a degradation that changes the size; use another --fit")
    framed = frame_degraded(asked, degraded)
    geometry = framed.geometry
    extent = clean.crop(geometry.shown_box) if geometry.placement == "crop" else clean
    return Simulated(framed, geometry.show(clean), None if true is operator else true, extent)


def _true_operator(
    operator: Degradation,
    truth: str | Degradation | None,
    seed: int,
    key: str,
    build: Callable[[Degradation], Degradation],
) -> Degradation:
    """Return the operator that makes y of the original: the truth, built, or `operator` with unknowns drawn."""
    if truth is not None:
        asked = degradations.parse(truth) if isinstance(truth, str) else truth
        if asked.unknowns():
            raise InputError(f"got the truth {asked.spec!r}, expected one without unknowns; give their values")
        return build(asked)
    random = random_stream(seed, f"truth {key}", 0)
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
