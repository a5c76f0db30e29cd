"""The sparse part of a noisy difference: sliding 8x8 DCT blocks whose small coefficients are set to zero.

Every block of 8x8 pixels, at every ``STRIDE``-th position, is transformed by an orthonormal DCT. Coefficients below
``THRESHOLD`` times the deviation of their noise are dropped (G. Yu, G. Sapiro 2011, "DCT image denoising: a simple and
effective image denoising algorithm", IPOL). The overlapping results are averaged with weights 1 / (number of kept
coefficients) (O. G. Guleryuz 2007, "Weighted averaging for denoising with overcomplete dictionaries"). Colours are
decorrelated first by an orthonormal transform, which leaves white noise white.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from degradations.constants import constant

BLOCK = 8
STRIDE = 2
THRESHOLD = 2.6
# Orthonormal: brightness, red against blue, green against both.
OPPONENT = (
    (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)),
    (1 / math.sqrt(2), 0.0, -1 / math.sqrt(2)),
    (1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)),
)


@functools.cache
def _make_dct() -> tuple[tuple[float, ...], ...]:
    """Return the orthonormal DCT-II of blocks flattened row by row, 64 x 64."""
    k, n = torch.arange(8.0, dtype=torch.float64)[:, None], torch.arange(8.0, dtype=torch.float64)
    line = torch.cos(math.pi * k * (2 * n + 1) / 16) / 2
    line[0] /= math.sqrt(2)
    return tuple(map(tuple, torch.kron(line, line).tolist()))


def mix_opponents(pictures: Tensor) -> Tensor:
    """Decorrelate the colours: (N, 3, H, W) -> (N, 3, H, W); other numbers of channels are returned unchanged."""
    if pictures.shape[1] != 3:
        return pictures
    return torch.einsum("oc,nchw->nohw", constant(OPPONENT, pictures), pictures)


def unmix_opponents(planes: Tensor) -> Tensor:
    """Invert ``mix_opponents``."""
    if planes.shape[1] != 3:
        return planes
    return torch.einsum("co,nchw->nohw", constant(OPPONENT, planes), planes)


def mix_deviations(deviation: Tensor, channels: int) -> Tensor:
    """Return the deviations of the planes of ``mix_opponents`` for independent channels: (N or 1, c or 1, 1, 1)."""
    if channels != 3 or deviation.shape[1] != 3:
        return deviation
    weights = constant(OPPONENT, deviation).square()
    return torch.einsum("oc,nchw->nohw", weights, deviation.square()).sqrt()


def extract_sparse_change(
    difference: Tensor,
    deviation: Tensor,
    *,
    stride: int = STRIDE,
    threshold: float = THRESHOLD,
    refine: bool = True,
    spectrum: Tensor | None = None,
    shift: int = 0,
) -> Tensor:
    """Return the part of a noisy difference that is sparse in overlapping DCT blocks.

    Args:
        difference: (N, C, H, W), such as y - x.
        deviation: standard deviation of its noise, (N or 1, C or 1, 1, 1).
        stride: distance between the positions of blocks, 1, 2, 4 or 8; the time falls with its square.
        threshold: in deviations.
        refine: filter once more, by the Wiener gains that the first result implies.
        spectrum: factors of the deviation at the 64 frequencies of a block, row by row, (64,); None: white noise.
        shift: of the positions of all blocks; iterations vary it, so that no grid is seen.

    Returns:
        (N, C, H, W), same dtype.
    """
    planes = mix_opponents(difference)
    deviation = mix_deviations(deviation, difference.shape[1]).to(planes)
    deviation = deviation.expand(len(planes), planes.shape[1], 1, 1)[..., None]
    deviation = deviation if spectrum is None else deviation * spectrum.to(planes)
    places = range(shift % stride, BLOCK, stride)
    result = _filter(planes, threshold * deviation, None, places)
    if refine:
        result = _filter(planes, deviation, result, places)
    return unmix_opponents(result)


def _filter(planes: Tensor, limit: Tensor, pilot: Tensor | None, places: range) -> Tensor:
    """Filter each plane in overlapping blocks.

    Args:
        planes: (N, c, H, W).
        limit: (N, c, 1, 1, 1 or 64), the threshold, or with a pilot the deviation of the noise.
        pilot: an estimate of the result for Wiener gains, p^2 / (p^2 + limit^2); None: hard thresholding.
        places: of the first blocks, along rows and columns.
    """
    h, w = planes.shape[-2:]
    rows, columns = (n + BLOCK + -n % BLOCK for n in (h, w))
    padded = _mirror(planes, BLOCK, rows - h + BLOCK, columns - w + BLOCK)
    pilot = None if pilot is None else _mirror(pilot, BLOCK, rows - h + BLOCK, columns - w + BLOCK)
    total, weights = torch.zeros_like(padded), torch.zeros_like(padded)
    for top in places:
        for left in places:
            place = (..., slice(top, top + rows), slice(left, left + columns))
            coefficients = _transform(padded[place])
            if pilot is None:
                gain = (coefficients.abs() >= limit).to(planes)
            else:
                power = _transform(pilot[place]).square_()
                gain = power / (power + limit**2)
            weight = 1 / gain.square().sum(-1, keepdim=True).clamp_min(1)
            total[place] += _join(coefficients.mul_(gain), weight)
            weights[place] += weight[..., 0].repeat_interleave(BLOCK, -1).repeat_interleave(BLOCK, -2)
    inside = (..., slice(BLOCK, BLOCK + h), slice(BLOCK, BLOCK + w))
    return total[inside] / weights[inside]


def _transform(planes: Tensor) -> Tensor:
    """Return the DCT of each block: (N, c, 8h, 8w) -> (N, c, h, w, 64)."""
    blocks = planes.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK)).transpose(-3, -2)
    return blocks.flatten(-2) @ constant(_make_dct(), planes).mT


def _join(coefficients: Tensor, weight: Tensor) -> Tensor:
    """Invert ``_transform`` and multiply each block by its weight, (N, c, h, w, 1)."""
    blocks = (coefficients @ constant(_make_dct(), coefficients) * weight).unflatten(-1, (BLOCK, BLOCK))
    return blocks.transpose(-3, -2).flatten(-2).flatten(-3, -2)


def _mirror(planes: Tensor, before: int, below: int, right: int) -> Tensor:
    """Continue planes by mirrored pixels, as often as small planes require."""
    for axis, after in ((-2, below), (-1, right)):
        n = planes.shape[axis]
        place = torch.arange(-before, n + after, device=planes.device) % (2 * n)
        planes = planes.index_select(axis, torch.minimum(place, 2 * n - 1 - place))
    return planes
