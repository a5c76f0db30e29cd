"""``-d auto``: an observation whose degradation is identified from the picture."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

import degradations
from dgp.errors import InputError
from dgp.identify.damages import JPEG
from dgp.identify.estimate import estimate_unknowns
from dgp.identify.photograph.estimate import read_photograph
from dgp.identify.photograph.ranking import rank_in_photograph
from dgp.identify.ranking import rank
from dgp.observation.estimate import Candidate
from dgp.observation.images import Picture, flatten, open_picture
from dgp.observation.observation import Observation
from dgp.observation.prepare import prepare
from generators import Prior

AUTO = "auto"
COARSE = 65  # a JPEG file of at most this quality counts as damaged by compression
MAX_TRIED = 5  # of the likeliest candidates, some of which may be impossible to build


def observe_auto(picture, prior: Prior, *, fit: str, seed: int, simulate: bool, truth, **rest) -> Observation:
    """Return the observation for the likeliest chain of damages that can be built for the picture.

    All candidates are in its ``ranking``. The arguments are those of ``observe``.

    Raises:
        InputError: ``simulate`` without ``truth``, as a clean picture shows no damage; or none of the likeliest
            candidates can be built.
    """
    if simulate and truth is None:
        raise InputError(
            "got degradation 'auto' for a clean picture; name the one to apply by --truth SPEC (in Python: truth)"
        )
    source = open_picture(picture)
    if simulate:
        seen = prepare(source, truth, prior, fit=fit, seed=seed, simulate=True, **rest)
    else:
        seen = prepare(source, "identity", prior, fit=fit, seed=seed, **rest)
    ranking = tuple(_rank(seen, prior, seed))
    notes = []
    for candidate in ranking[:MAX_TRIED]:
        try:
            found = prepare(source, candidate.spec, prior, fit=fit, seed=seed, simulate=simulate, truth=truth, **rest)
        except degradations.MaskError as reason:
            notes.append(f"auto: {candidate.spec} was likelier, but {reason}")
            continue
        found = estimate_unknowns(found, prior, seed=seed)
        return replace(found, asked=AUTO, ranking=ranking, notes=(*found.notes, *notes))
    raise InputError(f"found no damage that can be undone ({notes[-1]}); name the degradation with -d")


def _rank(seen: Observation, prior: Prior, seed: int) -> list[Candidate]:
    """Return the candidates for an observation: from patches of a photograph, or from a picture of the prior's size."""
    photograph, resolution = read_photograph(seen), prior.generator.info.resolution
    known = frozenset() if seen.simulated else _damages_of_file(seen.source)
    if photograph is not None:
        return rank_in_photograph(photograph[0], known=known)
    if not seen.simulated and seen.source.size != (resolution, resolution):
        known = frozenset()  # resizing moves the blocks of the compression
    width, height = (seen.y.shape[-1], seen.y.shape[-2]) if seen.simulated else flatten(seen.source)[0].size
    factor = _factor(width, height, resolution)
    return rank(_enlarge(seen.y, resolution), prior, known=known, factor=factor, seed=seed)


def _damages_of_file(source: Picture) -> frozenset[str]:
    """Return the damages that the file itself records: JPEG compression of coarse quality."""
    metadata = degradations.parse("jpeg:quality=auto").file_metadata(source.image)
    return frozenset({JPEG}) if metadata.get("quality", 100) <= COARSE else frozenset()


def _factor(width: int, height: int, resolution: int) -> float | None:
    """Return how many times smaller than the prior's a square picture is; None for others and for larger ones."""
    return resolution / width if width == height < resolution else None


def _enlarge(y: Tensor, resolution: int) -> Tensor:
    """Return y (1, 1 or 3, h, w) as (1, 3, R, R), resized by bicubic interpolation."""
    if y.shape[-1] != resolution or y.shape[-2] != resolution:
        y = F.interpolate(y, (resolution, resolution), mode="bicubic", align_corners=False).clamp(-1, 1)
    return y.expand(-1, 3, -1, -1)
