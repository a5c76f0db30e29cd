"""What JPEG does to a picture, step by step as the Independent JPEG Group's library does it (ITU-T T.81, JFIF).

Every step rounds as the library does, and has the gradient that it would have without the rounding: a coefficient that
lies in the right cell is left alone, one that does not is pulled towards it. Levels are 0..255 of any float type.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.constants import constant

# JFIF: luma and the two chroma differences of red, green and blue
TO_YCC = (
    (0.299, 0.587, 0.114),
    (-0.299 / 1.772, -0.587 / 1.772, 0.5),
    (0.5, -0.587 / 1.402, -0.114 / 1.402),
)
TO_RGB = ((1, 0, 1.402), (1, -0.114 * 1.772 / 0.587, -0.299 * 1.402 / 0.587), (1, 1.772, 0))


class _Straight(torch.autograd.Function):
    """(v, value) -> value, with the gradient of v itself."""

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
    """The nearest whole number, halves away from zero, with the gradient of v itself."""
    with torch.no_grad():
        whole = v.abs().add_(0.5 + 1e-9).floor_().copysign_(v)
    return _Straight.apply(v, whole)


def floor_straight_through(v: Tensor, more: Tensor) -> Tensor:
    """The whole number at or below v + more, with the gradient of v itself."""
    with torch.no_grad():
        whole = (v + more).floor_()
    return _Straight.apply(v, whole)


def mix_channels(pictures: Tensor, weights: tuple[tuple[float, ...], ...]) -> Tensor:
    """(N, 3, H, W) -> the same, each channel a weighted sum of all."""
    return (constant(weights, pictures) @ pictures.flatten(2)).unflatten(2, pictures.shape[-2:])


@functools.cache
def _dct() -> Tensor:
    """(64, 64) float64, orthonormal DCT-II of 8x8 blocks, row after row."""
    k, n = torch.arange(8.0, dtype=torch.float64)[:, None], torch.arange(8.0, dtype=torch.float64)
    matrix = torch.cos(math.pi * k * (2 * n + 1) / 16) / 2
    matrix[0] /= math.sqrt(2)
    return torch.kron(matrix, matrix)


@functools.cache
def _dct_like(dtype: torch.dtype, device: torch.device) -> Tensor:
    """``_dct``, moved there once."""
    with torch.inference_mode(False):
        return _dct().to(device, dtype)


def transform_blocks(plane: Tensor) -> Tensor:
    """(N, c, 8h, 8w) -> (N, c, h, w, 64), an orthonormal DCT of each block."""
    blocks = plane.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).transpose(-3, -2)
    return blocks.flatten(-2) @ _dct_like(plane.dtype, plane.device).mT


def join_blocks(coefficient: Tensor) -> Tensor:
    """(N, c, h, w, 64) -> (N, c, 8h, 8w)."""
    blocks = (coefficient @ _dct_like(coefficient.dtype, coefficient.device)).unflatten(-1, (8, 8))
    return blocks.transpose(-3, -2).flatten(-2).flatten(-3, -2)


def quantize(plane: Tensor, steps: Tensor) -> Tensor:
    """(N, c, 8h, 8w) levels around 128 -> as they are after their coefficients were rounded to whole steps."""
    return (
        round_straight_through(join_blocks(round_straight_through(transform_blocks(plane - 128) / steps) * steps)) + 128
    ).clamp(0, 255)


def pad_to_blocks(plane: Tensor) -> Tensor:
    """The plane with its last row and column repeated up to multiples of 8."""
    h, w = plane.shape[-2:]
    return F.pad(plane, (0, -w % 8, 0, -h % 8), mode="replicate")


def downsample_chroma(plane: Tensor, halves: int) -> Tensor:
    """Means of two neighbours across and, for two halves, down, as many as fill whole blocks. On the right the
    picture's last column is repeated before, at the bottom the last mean after."""
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
    """The way back to (H, W): three quarters of the nearer neighbour and one of the farther. Two columns and fewer are
    repeated."""
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
    """(N, 1 or 3, H, W) levels -> what is cut into blocks: luma, and where there is colour both chroma differences
    (N, 2, h, w), plus 128."""
    levels = round_straight_through(levels).clamp(0, 255)
    if levels.shape[1] == 1:
        return [pad_to_blocks(levels)]
    ycc = round_straight_through(mix_channels(levels, TO_YCC))
    return [pad_to_blocks(ycc[:, :1]), downsample_chroma(ycc[:, 1:] + 128, halves)]


def join_components(parts: list[Tensor], size: tuple[int, int], halves: int) -> Tensor:
    """The way back from ``components`` to (N, 1 or 3, H, W) whole levels."""
    luma = parts[0][..., : size[0], : size[1]]
    if len(parts) == 1:
        return luma
    chroma = upsample_chroma(parts[1], size, halves) - 128
    return round_straight_through(mix_channels(torch.cat([luma, chroma], 1), TO_RGB)).clamp(0, 255)


def compress(levels: Tensor, steps: Tensor, halves: int) -> Tensor:
    """(N, 1 or 3, H, W) levels -> what a JPEG file of them holds, whole levels.

    Args:
        steps: (1 or N, 1 or 3, 1, 1, 64), see ``jpeg_tables.steps``.
        halves: along how many axes chroma is halved: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
    """
    parts = split_components(levels, halves)
    own = [steps[:, :1], steps[:, 1:]]
    return join_components(
        [quantize(part, step) for part, step in zip(parts, own, strict=False)], tuple(levels.shape[-2:]), halves
    )
