"""``-d auto``: an observation whose degradation is chosen by what the picture shows."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

import degradations
from dgp.errors import InputError
from dgp.identify.damages import JPEG
from dgp.identify.estimate import estimate_unknowns
from dgp.identify.ranking import rank
from dgp.observation.images import Picture, flatten, open_picture
from dgp.observation.observation import Observation
from dgp.observation.prepare import prepare
from generators import Prior

AUTO = "auto"
COARSE = 65  # quality up to which a JPEG file is taken as damaged by it
TRIED = 5


def observe_auto(picture, prior: Prior, *, fit: str, seed: int, simulate: bool, truth, **rest) -> Observation:
    """``observe`` with the likeliest chain of damages that can be built for the picture; ``ranking`` tells the others.

    Arguments as of ``observe``. Raises as that does; InputError with ``simulate`` and no ``truth``: a clean picture
    shows no damage.
    """
    if simulate and truth is None:
        raise InputError(
            "got degradation 'auto' for a clean picture; name the one to apply by --truth SPEC (in Python: truth)"
        )
    source = open_picture(picture)
    resolution = prior.generator.info.resolution
    known, factor = frozenset(), None
    if simulate:
        seen = prepare(source, truth, prior, fit=fit, seed=seed, simulate=True, **rest)
        y, factor = seen.y, _factor(seen.y.shape[-1], seen.y.shape[-2], resolution)
    else:
        seen = prepare(source, "identity", prior, fit=fit, seed=seed, **rest)
        y, factor = seen.y, _factor(*flatten(source)[0].size, resolution)
        known = _told(source, resolution)
    ranking = tuple(rank(_enlarged(y, resolution), prior, known=known, factor=factor, seed=seed))
    notes = []
    for candidate in ranking[:TRIED]:
        try:
            found = prepare(source, candidate.spec, prior, fit=fit, seed=seed, simulate=simulate, truth=truth, **rest)
        except degradations.MaskError as reason:
            notes.append(f"auto: {candidate.spec} was likelier, but {reason}")
            continue
        found = estimate_unknowns(found, prior, seed=seed)
        return replace(found, asked=AUTO, ranking=ranking, notes=(*found.notes, *notes))
    raise InputError(f"no damage was found that can be undone ({notes[-1]}); name it with -d")


def _told(source: Picture, resolution: int) -> frozenset[str]:
    """What the file itself says; of a picture that is not resized, for otherwise its blocks are not those of x."""
    image = source.image
    told = (
        degradations.parse("jpeg:quality=auto").file_metadata(image) if image.size == (resolution, resolution) else {}
    )
    return frozenset({JPEG}) if told.get("quality", 100) <= COARSE else frozenset()


def _factor(width: int, height: int, resolution: int) -> float | None:
    """By how much a square picture is smaller than the prior's."""
    return resolution / width if width == height < resolution else None


def _enlarged(y: Tensor, resolution: int) -> Tensor:
    """(1, 3, R, R) of any y of 1 or 3 channels."""
    if y.shape[-1] != resolution or y.shape[-2] != resolution:
        y = F.interpolate(y, (resolution, resolution), mode="bicubic", align_corners=False).clamp(-1, 1)
    return y.expand(-1, 3, -1, -1)
