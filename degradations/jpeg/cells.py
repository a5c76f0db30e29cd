"""The smallest change of a picture after which JPEG encodes it as a given picture.

The values that are rounded to the same multiple of a quantisation step form a cell; each coefficient moves to the
nearest value in the cell of the given picture's coefficient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.jpeg import surrogate as jpeg
from degradations.rows import expand_rows

# How far inside their cells coefficients are put, as shares of a step: rounding to whole pixel values moves those at
# the border out again, so each further round puts them deeper.
INSIDE = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
SHARPENINGS = 8


def _split_luma_and_chroma(levels: Tensor) -> list[Tensor]:
    if levels.shape[1] == 1:
        return [levels]
    ycc = jpeg.mix_channels(levels, jpeg.TO_YCC)
    return [ycc[:, :1], ycc[:, 1:]]


def _downsample_sharply(chroma: Tensor, halves: int) -> Tensor:
    """Find the smaller plane that ``upsample_chroma`` brings closest to this one, without rounding."""

    def down(plane: Tensor) -> Tensor:
        axes = (2, 2) if halves == 2 else (1, 2)
        return F.avg_pool2d(plane, axes, ceil_mode=True, count_include_pad=False)

    def up(plane: Tensor) -> Tensor:
        # scaled by 1024, so that the rounding to whole levels is negligible
        return jpeg.upsample_chroma(plane * 1024, size, halves) / 1024

    size = tuple(chroma.shape[-2:])
    plane = down(chroma)
    for _ in range(SHARPENINGS):
        plane = plane + down(chroma - up(plane))
    return plane


def _repeat_pixels(plane: Tensor, size: tuple[int, int], halves: int) -> Tensor:
    if halves:
        plane = plane.repeat_interleave(2, -1)
    if halves == 2:
        plane = plane.repeat_interleave(2, -2)
    return plane[..., : size[0], : size[1]]


def _move_once(levels: Tensor, missed: Tensor, steps: Tensor, *, halves: int, inside: float) -> Tensor:
    """Do one round of ``project_into_cells``.

    Args:
        levels: (N, c, H, W).
        missed: the target minus what JPEG makes of the levels, (N, c, H, W).
        steps, halves: see ``surrogate.compress``.
        inside: how far inside their cells coefficients are put, as a share of a step.
    """
    size, moves = tuple(levels.shape[-2:]), []
    planes, errors = jpeg.split_components(levels, halves), _split_luma_and_chroma(missed)
    of_planes = ((steps[:, :1], 0), (steps[:, 1:], halves))  # steps and subsampling of luma and of chroma
    for plane, error, (step, halves_here) in zip(planes, errors, of_planes, strict=False):
        error = _downsample_sharply(error, halves_here) if halves_here else error
        error = F.pad(error, (0, plane.shape[-1] - error.shape[-1], 0, plane.shape[-2] - error.shape[-2]))
        cells = (jpeg.transform_blocks(error) / step).round()
        v = jpeg.transform_blocks(plane - 128) / step
        target = jpeg.round_straight_through(v) + cells
        room = 0.5 - torch.maximum(v.new_tensor(inside), (0.5 / step).clamp(max=0.4))
        nearest = torch.minimum(torch.maximum(v, target - room), target + room)
        move = jpeg.join_blocks(torch.where(cells != 0, nearest - v, 0) * step)
        moves.append(_repeat_pixels(move, size, halves_here))
    if len(moves) == 1:
        return levels + moves[0]
    return levels + jpeg.mix_channels(torch.cat(moves, 1), jpeg.TO_RGB)


def project_into_cells(levels: Tensor, target: Tensor, steps: Tensor, halves: int) -> Tensor:
    """Move levels so that JPEG encodes them as the target; a row never gets further from its target.

    Args:
        levels: (N, c, H, W) from 0 to 255.
        target: what JPEG made of the true picture, (N, c, H, W) levels.
        steps, halves: see ``surrogate.compress``.

    Returns:
        The best of a few rounds, (N, c, H, W).
    """
    best = levels
    missed = target - jpeg.compress(levels, steps, halves)
    least = missed.square().flatten(1).sum(1)
    for inside in INSIDE:
        if not bool(least.any()):
            break
        levels = _move_once(levels, missed, steps, halves=halves, inside=inside).clamp(0, 255)
        missed = target - jpeg.compress(levels, steps, halves)
        misfit = missed.square().flatten(1).sum(1)
        better = misfit < least
        best = torch.where(expand_rows(better), levels, best)
        least = torch.where(better, misfit, least)
    return best
