"""Which degradations can be moved to a rotated part of the picture, found by trying."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from degradations import Degradation
from dgp.errors import InputError

SIDE = 64  # pixels of the picture on which an operator is tried; a multiple of most factors
TOLERANCE = 0.02  # of black to white, largest difference: a turned bicubic kernel or rounding leaves less


def refuse_unless_alignable(operator: Degradation, size: tuple[int, int]) -> None:
    """Raise InputError for an operator that does not do the same to a picture that is turned or moved.

    Tone, grey, isotropic blur, noise and reduction do; grids (JPEG, mosaic), directions (motion blur) and places (wear,
    distortion) do not.

    Args:
        operator: built for the photograph. Masks may be anywhere, as they are turned with the picture.
        size: (H, W) of the photograph.
    """
    for link in operator.operators():
        if link.pointwise and link.unobserved(size) is not None:
            continue
        if not link.scales or link.uninformative(size) is not None or not _commutes(link):
            raise InputError(
                f"got {link.spec} with --align face, expected operators that do the same to a turned picture; leave it "
                "out of -d, or leave --align out"
            )


@torch.no_grad()
def _commutes(link: Degradation) -> bool:
    """Return whether an operator commutes with quarter turns and, if it keeps the size, with moving by a pixel."""
    x = _blob()
    try:
        y, turned = link(x), link(x.rot90(1, (2, 3)))
        moved = link(x.roll((1, 3), (2, 3))) if link.keeps_size else None
    except Exception:  # noqa: BLE001  built for the photograph's size alone, so that it depends on places
        return False
    if turned.shape != y.mT.shape or _far(turned, y.rot90(1, (2, 3))):
        return False
    return moved is None or not _far(moved, y.roll((1, 3), (2, 3)))


def _far(a: Tensor, b: Tensor) -> bool:
    return float((a - b).abs().max()) / 2 > TOLERANCE


@functools.cache
def _blob() -> Tensor:
    """Return a picture (1, 3, s, s) of fine detail that fades to mid-grey, so that its edges do not matter."""
    random = torch.Generator().manual_seed(0)
    detail = torch.rand(1, 3, SIDE, SIDE, generator=random) * 2 - 1
    place = torch.linspace(-1, 1, SIDE).square()
    return detail * (1 - 2 * (place[:, None] + place[None])).clamp(0, 1)
