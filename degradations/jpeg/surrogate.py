"""JPEG compression step by step, as the Independent JPEG Group's library computes it (ITU-T T.81, JFIF).

Every step rounds as the library does, and has the gradient that it would have without rounding (straight-through). In a
data term, a coefficient that rounds to the observed value is left alone, and one that does not is pulled towards it.
Levels are 0..255 of any float dtype.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.constants import constant

# JFIF: luma and the two chroma differences in terms of red, green and blue
TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.299 / 1.772, -0.587 / 1.772, 0.5),
    (0.5, -0.587 / 1.402, -0.114 / 1.402),
)
TO_RGB = ((1, 0, 1.402), (1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587), (1, 1.772, 0))


class _StraightThrough(torch.autograd.Function):
    """Return ``value`` in place of v, with the gradient of v."""

    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor, value: Tensor) -> Tensor:
        return value

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return gradient, None


def round_straight_through(v: Tensor) -> Tensor:
    """Round to the nearest whole number, halves away from zero, with the gradient of v."""
    with torch.no_grad():
        whole = v.abs().add_(0.5 + 1e-9).floor_().copysign_(v)
    return _StraightThrough.apply(v, whole)


def floor_straight_through(v: Tensor, more: Tensor) -> Tensor:
    """Return the largest whole number up to v + more, with the gradient of v."""
    with torch.no_grad():
        whole = (v + more).floor_()
    return _StraightThrough.apply(v, whole)


def mix_channels(pictures: Tensor, weights: tuple[tuple[float, ...], ...]) -> Tensor:
    """Multiply the channels of each pixel by a 3 x 3 matrix: (N, 3, H, W) -> (N, 3, H, W)."""
    return (constant(weights, pictures) @ pictures.flatten(2)).unflatten(2, pictures.shape[-2:])


@functools.cache
def _dct() -> Tensor:
    """Return the orthonormal DCT-II of 8x8 blocks, flattened row by row: (64, 64) float64."""
    k, n = torch.arange(8.0, dtype=torch.float64)[:, None], torch.arange(8.0, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (2 * n + 1) / 16) / 2
    matrix[0] /= math.sqrt(2)
    return torch.kron(matrix, matrix)


@functools.cache
def _dct_like(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return ``_dct`` in a dtype and on a device, cached."""
    with torch.inference_mode(False):
        return _dct().to(device, dtype)


def transform_blocks(plane: Tensor) -> Tensor:
    """Apply an orthonormal DCT to each block: (N, c, 8h, 8w) -> (N, c, h, w, 64)."""
    blocks = plane.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)
    return blocks.flatten(-2) @ _dct_like(plane.dtype, plane.device).mT


def join_blocks(coefficient: Tensor) -> Tensor:
    """Invert ``transform_blocks``: (N, c, h, w, 64) -> (N, c, 8h, 8w)."""
    blocks = (coefficient @ _dct_like(coefficient.dtype, coefficient.device)).unflatten(-1, (8, 8))
    return blocks.transpose(-3, -2).flatten(-2).flatten(-3, -2)


def quantize(plane: Tensor, steps: Tensor) -> Tensor:
    """Round the DCT coefficients of levels around 128 to multiples of their steps: (N, c, 8h, 8w) -> the same."""
    coefficients = round_straight_through(transform_blocks(plane - 128) / steps) * steps
    return (round_straight_through(join_blocks(coefficients)) + 128).clamp(0, 255)


def pad_to_blocks(plane: Tensor) -> Tensor:
    """Repeat the last row and column of a plane up to multiples of 8."""
    h, w = plane.shape[-2:]
    return F.pad(plane, (0, -w % 8, 0, -h % 8), mode="replicate")


def downsample_chroma(plane: Tensor, halves: int) -> Tensor:
    """Average two neighbours horizontally and, for two halves, vertically, and pad to whole blocks.

    The library repeats the picture's last column before averaging, but the last row after it.
    """
    if not halves:
        return pad_to_blocks(plane)
    h, w = plane.shape[-2:]
    plane = F.pad(plane, (0, -w % 16, 0, h % 2 if halves == 2 else 0), mode="replicate")
    mean = (plane[..., 0::2] + plane[..., 1::2]) / 2
    odd = torch.arange(mean.shape[-1], device=plane.device) % 2
    if halves == 1:
        return pad_to_blocks(floor_straight_through(mean, odd / 2))
    return pad_to_blocks(floor_straight_through((mean[..., 0::2, :] + mean[..., 1::2, :]) / 2, (1 + odd) / 4))


def upsample_chroma(plane: Tensor, size: tuple[int, int], halves: int) -> Tensor:
    """Return to (H, W) with weights 3/4 for the nearer and 1/4 for the farther neighbour.

    Planes of two columns or fewer are repeated instead.
    """
    h, w = size
    plane = plane[..., : -(-h // 2) if halves == 2 else h, : -(-w // 2) if halves else w]
    if not halves:
        return plane
    if plane.shape[-1] <= 2:
        plane = plane.repeat_interleave(2, -1)
        return (plane.repeat_interleave(2, -2) if halves == 2 else plane)[..., :h, :w]
    plane = _interpolate_columns(_interpolate_columns(plane.mT).mT if halves == 2 else plane)[..., :h, :w]
    odd = torch.arange(w, device=plane.device) % 2
    return floor_straight_through(plane, (8 - odd) / 16 if halves == 2 else (1 + odd) / 4)


def _interpolate_columns(plane: Tensor) -> Tensor:
    padded = torch.cat([plane[..., :1], plane, plane[..., -1:]], -1)
    return torch.stack([3 * plane + padded[..., :-2], 3 * plane + padded[..., 2:]], -1).flatten(-2) / 4


def split_components(levels: Tensor, halves: int) -> list[Tensor]:
    """Split a picture into the planes that are divided into blocks.

    Args:
        levels: (N, 1 or 3, H, W).
        halves: see ``compress``.

    Returns:
        Luma and, for colour pictures, both chroma differences (N, 2, h, w) plus 128.
    """
    levels = round_straight_through(levels).clamp(0, 255)
    if levels.shape[1] == 1:
        return [pad_to_blocks(levels)]
    ycc = round_straight_through(mix_channels(levels, TO_YCC))
    return [pad_to_blocks(ycc[:, :1]), downsample_chroma(ycc[:, 1:] + 128, halves)]


def join_components(planes: list[Tensor], size: tuple[int, int], halves: int) -> Tensor:
    """Invert ``split_components``: return (N, 1 or 3, H, W) whole levels."""
    luma = planes[0][..., : size[0], : size[1]]
    if len(planes) == 1:
        return luma
    chroma = upsample_chroma(planes[1], size, halves) - 128
    return round_straight_through(mix_channels(torch.cat([luma, chroma], 1), TO_RGB)).clamp(0, 255)


def compress(levels: Tensor, steps: Tensor, halves: int) -> Tensor:
    """Return the picture that a JPEG file of these levels decodes to.

    Args:
        levels: (N, 1 or 3, H, W).
        steps: quantisation steps, (1 or N, 1 or 3, 1, 1, 64), see ``tables.steps``.
        halves: number of axes along which chroma is halved: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.

    Returns:
        Whole levels, (N, 1 or 3, H, W).
    """
    planes = split_components(levels, halves)
    steps_of_planes = (steps[:, :1], steps[:, 1:])
    planes = [quantize(plane, own) for plane, own in zip(planes, steps_of_planes, strict=False)]
    return join_components(planes, tuple(levels.shape[-2:]), halves)
