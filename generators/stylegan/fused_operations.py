"""Pointwise operations between two convolutions, fused into one pass over memory.

On a CPU such passes cost as much as convolutions do. Maps are therefore processed in pieces that fit the cache, with
all operations on a piece before the next, and the backward pass recomputes from the convolution's output instead of
storing more maps. On other devices a map is one piece. Gradients are differentiable once.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.nn.once_differentiable import once_differentiable

SLOPE = 0.2
PIECE_SIZE = 2**17  # values in a piece


def split_map(x: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield slices of rows and of lines that together cover x (N, C, h, w)."""
    if x.device.type != "cpu" or x.numel() <= PIECE_SIZE:
        yield slice(None), slice(None)
        return
    lines = max(1, PIECE_SIZE // (x.shape[1] * x.shape[3]))
    for n in range(len(x)):
        for first in range(0, x.shape[2], lines):
            yield slice(n, n + 1), slice(first, first + lines)


def slice_map(value: Tensor, rows: slice, lines: slice) -> Tensor:
    """Slice a value (N or 1, C or 1, h or 1, w or 1) that is broadcast over a map."""
    return value[rows if len(value) > 1 else slice(None), :, lines if value.shape[2] > 1 else slice(None)]


class ScaleChannels(torch.autograd.Function):
    """x (N, C, h, w) times s (N, C, 1, 1)."""

    @staticmethod
    def forward(x: Tensor, s: Tensor) -> Tensor:
        return x * s

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, s = ctx.saved_tensors
        to_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        to_s = torch.zeros(s.shape, dtype=torch.promote_types(s.dtype, torch.float32), device=s.device)
        for rows, lines in split_map(x):
            g = gradient[rows, :, lines]
            to_s[rows] += (g * x[rows, :, lines]).sum((2, 3), keepdim=True, dtype=to_s.dtype)
            if to_x is not None:
                torch.mul(g, s[rows], out=to_x[rows, :, lines])
        return to_x, to_s.to(s.dtype)


class FusedActivation(torch.autograd.Function):
    """``clamp(leaky_relu(y d + bias + noise), -bound, bound) s``: all that follows a modulated convolution.

    Args:
        y: (N, C, h, w), output of the convolution.
        d: (N, C, 1, 1), demodulation.
        bias: (1, C, 1, 1).
        noise: (N or 1, 1, h, w).
        s: (N, C, 1, 1), scales of the next convolution, or None.
        bound: of the clamp, or None.
    """

    @staticmethod
    def forward(y: Tensor, d: Tensor, bias: Tensor, noise: Tensor, s: Tensor | None, bound: float | None) -> Tensor:
        out = torch.empty_like(y)
        for rows, lines in split_map(y):
            part = out[rows, :, lines]
            _activate(y, d, bias, noise, bound=bound, rows=rows, lines=lines, out=part)
            if s is not None:
                part.mul_(s[rows])
        return out

    @staticmethod
    def setup_context(ctx, inputs, output):
        *tensors, ctx.bound = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        y, d, bias, noise, s = ctx.saved_tensors
        wide = torch.promote_types(y.dtype, torch.float32)
        zeros = lambda like: torch.zeros(like.shape, dtype=wide, device=y.device)  # noqa: E731
        to_y, to_d, to_bias, to_noise = torch.empty_like(y), zeros(d), None, None
        to_s = None if s is None else zeros(s)
        to_bias = zeros(bias) if ctx.needs_input_grad[2] else None
        to_noise = zeros(noise) if ctx.needs_input_grad[3] else None
        for rows, lines in split_map(y):
            g, given = gradient[rows, :, lines], y[rows, :, lines]
            active = _activate(y, d, bias, noise, bound=ctx.bound, rows=rows, lines=lines, out=torch.empty_like(given))
            if s is not None:
                to_s[rows] += (g * active).sum((2, 3), keepdim=True, dtype=wide)
                g = g * s[rows]
            g = torch.ops.aten.leaky_relu_backward(g, active, SLOPE, True)
            if ctx.bound is not None:
                g.mul_(active.abs() < ctx.bound)
            if to_bias is not None:
                to_bias += g.sum((0, 2, 3), keepdim=True, dtype=wide)
            if to_noise is not None:
                slice_map(to_noise, rows, lines).add_(_sum_for_noise(g, noise, wide))
            to_d[rows] += (g * given).sum((2, 3), keepdim=True, dtype=wide)
            torch.mul(g, d[rows], out=to_y[rows, :, lines])
        return (
            to_y,
            to_d.to(d.dtype),
            None if to_bias is None else to_bias.to(bias.dtype),
            None if to_noise is None else to_noise.to(noise.dtype),
            None if to_s is None else to_s.to(s.dtype),
            None,
        )


class RowwiseConv1x1(torch.autograd.Function):
    """1x1 convolution of x (N, C, h, w) with weights of each row, (N, 3, C): (N, 3, h, w)."""

    @staticmethod
    def forward(x: Tensor, weights: Tensor) -> Tensor:
        flat = to_pixel_rows(x) @ weights.transpose(1, 2)
        return flat.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        x, weights = ctx.saved_tensors
        to_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        to_weights = torch.zeros_like(weights)
        for rows, lines in split_map(x):
            g, part = to_pixel_rows(gradient[rows, :, lines]), x[rows, :, lines]
            to_weights[rows] += g.transpose(1, 2).contiguous() @ to_pixel_rows(part)
            if to_x is not None:
                to_x[rows, :, lines] = (g @ weights[rows]).unflatten(1, part.shape[2:]).permute(0, 3, 1, 2)
        return to_x, to_weights


def to_pixel_rows(x: Tensor) -> Tensor:
    """Reshape (N, C, h, w) to (N, h w, C)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _activate(y, d, bias, noise, bound, rows: slice, lines: slice, out: Tensor) -> Tensor:
    """Compute one piece of the output before the scaling, into ``out``."""
    torch.addcmul(bias, y[rows, :, lines], d[rows], out=out)
    F.leaky_relu_(out.add_(slice_map(noise, rows, lines)), SLOPE)
    return out if bound is None else out.clamp_(-bound, bound)


def _sum_for_noise(g: Tensor, noise: Tensor, dtype: torch.dtype) -> Tensor:
    """Sum over channels, and over rows where they share the noise."""
    return g.sum((0, 1) if len(noise) == 1 else 1, keepdim=True, dtype=dtype)
