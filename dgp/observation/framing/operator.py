"""Degradations of a whole picture, changed to fit a part of it at another size."""

from __future__ import annotations

import torch

import degradations
from degradations import Degradation
from dgp.observation.boxes import Box, shrink_factor, whole_box
from dgp.observation.resizing import fit_mask


def operator_for_box(operator: Degradation, full: tuple[int, int], box: Box, size: tuple[int, int]) -> Degradation:
    """Return a degradation that was built for a whole picture, for a part of it at another size.

    Each link of a chain that only hides pixels is replaced by an `Inpaint` with the fitted mask; other links are scaled
    (``Degradation.scaled``) by the geometric mean of the factors across and down, or are unchanged where the part is
    enlarged.

    Args:
        operator: built for the whole picture.
        full: (width, height) of the whole picture.
        box: the part of it.
        size: (width, height) at which the part is shown.
    """
    if box == whole_box(full) and size == full:
        return operator
    inside = min(box[:2]) >= 0 and box[2] <= full[0] and box[3] <= full[1]
    factor = shrink_factor(box, size)

    def fit(link: Degradation) -> Degradation:
        hidden = link.unobserved(full[::-1]) if link.pointwise else None
        if hidden is None:
            part = link.part(box, full[::-1]) if inside else None
            return (part or link).stretched((round(size[1] / factor), round(size[0] / factor))).scaled(factor)
        mask = fit_mask(hidden[0].cpu().numpy(), box, size)
        return degradations.Inpaint.of(torch.from_numpy(mask)[None, None]) if mask.any() else degradations.Identity()

    return operator.replace_links(fit) if isinstance(operator, degradations.Chain) else fit(operator)


def keeps_pixels(whole: Degradation, full: tuple[int, int], resolution: int) -> bool:
    """Return whether a degradation leaves the visible pixels of a picture unchanged; tried on random values at R x R.

    Args:
        whole: built for the whole picture.
        full: (width, height) of the whole picture.
        resolution: R.
    """
    if not whole.pointwise or whole.channels(3) != 3:
        return False
    if any(part.noise is not None for part in whole.operators()):
        return False
    operator = operator_for_box(whole, full, whole_box(full), (resolution, resolution))
    x = torch.rand(1, 3, resolution, resolution, generator=torch.Generator().manual_seed(0)) * 2 - 1
    hidden = operator.unobserved((resolution, resolution))
    seen = torch.ones(1, 1, resolution, resolution) if hidden is None else ~hidden[:, None]
    with torch.no_grad():
        return bool(torch.equal(operator(x) * seen, x * seen))
