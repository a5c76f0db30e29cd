"""The smallest change of a picture after which JPEG encodes it as a given picture.

The values that are rounded to the same multiple of a quantisation step form a cell; each coefficient moves to the
nearest value in the cell of the given picture's coefficient.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.jpeg import surrogate as jpeg

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
        return (
            jpeg.upsample_chroma(plane * 1024, size, halves) / 1024
        )  # scaled up, so that rounding to whole levels is negligible

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


def _move_once(levels: Tensor, missed: Tensor, steps: Tensor, halves: int, inside: float) -> Tensor:
    """Do one round of ``project_into_cells``.

    Args:
        levels: (N, c, H, W).
        missed: the target minus what JPEG makes of the levels, (N, c, H, W).
        steps, halves: see ``surrogate.compress``.
        inside: how far inside their cells coefficients are put, as a share of a step.
    """
    size, moves = tuple(levels.shape[-2:]), []
    own = [steps[:, :1], steps[:, 1:]]
    for place, (part, error) in enumerate(
        zip(jpeg.split_components(levels, halves), _split_luma_and_chroma(missed), strict=True)
    ):
        step, sampled = own[place], halves if place else 0
        error = _downsample_sharply(error, sampled) if sampled else error
        error = F.pad(error, (0, part.shape[-1] - error.shape[-1], 0, part.shape[-2] - error.shape[-2]))
        cells = (jpeg.transform_blocks(error) / step).round()
        v = jpeg.transform_blocks(part - 128) / step
        wanted = jpeg.round_straight_through(v) + cells
        room = 0.5 - torch.maximum(v.new_tensor(inside), (0.5 / step).clamp(max=0.4))
        there = torch.minimum(torch.maximum(v, wanted - room), wanted + room)
        moved = jpeg.join_blocks(torch.where(cells != 0, there - v, 0) * step)
        moves.append(_repeat_pixels(moved, size, sampled))
    if len(moves) == 1:
        return levels + moves[0]
    return levels + jpeg.mix_channels(torch.cat([moves[0], moves[1]], 1), jpeg.TO_RGB)


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
        levels = _move_once(levels, missed, steps, halves, inside).clamp(0, 255)
        missed = target - jpeg.compress(levels, steps, halves)
        left = missed.square().flatten(1).sum(1)
        better = left < least
        best = torch.where(better[:, None, None, None], levels, best)
        least = torch.where(better, left, least)
    return best
