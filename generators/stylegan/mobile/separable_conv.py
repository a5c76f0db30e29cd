"""A separable convolution and all that surrounds it in MobileStyleGAN, computed line by line on a CPU.

Writing a map to memory and reading it again takes longer than computing it. Some lines at a time therefore go through
all operations while they are in the cache, and only the result is written. The backward pass needs nothing else, as the
sign of the result tells the slope of the activation. Weights take no gradient here. Gradients are differentiable once.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.nn.once_differentiable import once_differentiable
from generators.stylegan.fused_operations import SLOPE

BANDS = 4
STRIPE_SIZE = 2**19  # values of a few lines of a map
SMALLEST = 1e-30  # a scale below it is replaced by it, since results are divided by their scales


class SeparableConv(torch.autograd.Function):
    """``leaky_relu(pointwise(depthwise(x)) + bias + noise) scale``, optionally of an enlarged x.

    Args:
        x: (N, C, h, w), channels-last; or (N, 4 C, h / 2, w / 2), enlarged by the inverse Haar transform.
        up: (N, 4 C), scales of x before it is enlarged; None to take x as it is.
        depthwise: (C, 1, 3, 3).
        pointwise: (O, C).
        bias: (O,).
        noise: (1, 1, h, w).
        scale: (N, O) without zeros, or None.

    Returns:
        (N, O, h, w), channels-last.
    """

    @staticmethod
    def forward(
        x: Tensor,
        up: Tensor | None,
        depthwise: Tensor,
        pointwise: Tensor,
        bias: Tensor,
        noise: Tensor,
        scale: Tensor | None,
    ) -> Tensor:
        height, width = noise.shape[2:]
        out = x.new_empty(len(x), height, width, len(bias)).permute(0, 3, 1, 2)
        for row, first, last in _stripes(out):
            padded = _take_lines(x[row], None if up is None else up[row], first - 1, last + 1, height)
            middle = F.conv2d(padded, depthwise, padding=(0, 1), groups=padded.shape[1])
            pixels = _to_pixels(out[row, :, first:last])
            torch.addmm(bias, _to_pixels(middle), pointwise.t(), out=pixels)
            F.leaky_relu_(pixels.add_(noise[0, 0, first:last].reshape(-1, 1)), SLOPE)
            if scale is not None:
                pixels.mul_(scale[row])
        return out

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, up, depthwise, pointwise, _bias, _noise, scale = inputs
        ctx.save_for_backward(None if up is None else x, up, depthwise, pointwise, scale, output)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, up, depthwise, pointwise, scale, out = ctx.saved_tensors
        height, width = out.shape[2:]
        channels = len(depthwise)
        flipped = depthwise.flip(2, 3).contiguous(memory_format=torch.channels_last)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        shape = (len(out), height, width, channels) if up is None else (len(x), *x.shape[2:], x.shape[1])
        to_x = out.new_empty(shape).permute(0, 3, 1, 2)
        to_up = None if up is None else torch.zeros_like(up)
        to_scale = None if scale is None else torch.zeros_like(scale)
        for row, first, last in _stripes(out):
            g, result = _to_pixels(gradient[row, :, first:last]), _to_pixels(out[row, :, first:last])
            if scale is not None:
                result = result / scale[row]
                to_scale[row] += (g * result).sum(0)
                g = g * scale[row]
            g = torch.ops.aten.leaky_relu_backward(g, result, SLOPE, True) @ pointwise
            lines = _to_lines(g, width)
            # A line of the result needs both its neighbours, and a Haar transform pairs of lines: it is two lines late.
            if first == 0:
                before = _empty_lines(lines, 3)
            is_end = last == height
            joined = _join_lines([before, lines, _empty_lines(lines, 1)] if is_end else [before, lines])
            before = joined[:, :, -3:]
            done = F.conv2d(joined if is_end else joined[:, :, :-1], flipped, padding=(0, 1), groups=channels)
            start = first - 2
            if start < 0:
                start, done = 0, done[:, :, 2:]
            end = start + done.shape[2]
            if up is None:
                to_x[row, :, start:end] = done
            else:
                coefficients = _transform(done)
                here = slice(start // 2, end // 2)
                to_up[row] += (_to_pixels(x[row, :, here]) * _to_pixels(coefficients)).sum(0)
                torch.mul(coefficients, up[row, :, None, None], out=to_x[row, :, here])
        return to_x, to_up, None, None, None, None, to_scale


def _stripes(like: Tensor) -> Iterator[tuple[slice, int, int]]:
    """Yield (row, first line, line after the last) of stripes of an even number of lines."""
    lines = max(2, STRIPE_SIZE // (like.shape[1] * like.shape[3]) // 2 * 2)
    for n in range(len(like)):
        for first in range(0, like.shape[2], lines):
            yield slice(n, n + 1), first, min(first + lines, like.shape[2])


def _to_pixels(lines: Tensor) -> Tensor:
    """View lines (1, C, h, w), channels-last, as (h w, C)."""
    return lines.permute(0, 2, 3, 1).flatten(0, 2)


def _to_lines(pixels: Tensor, width: int) -> Tensor:
    """View pixels (h w, C) as lines (1, C, h, w), channels-last."""
    return pixels.view(1, -1, width, pixels.shape[1]).permute(0, 3, 1, 2)


def _empty_lines(like: Tensor, count: int) -> Tensor:
    return like.new_zeros(1, count, like.shape[3], like.shape[1]).permute(0, 3, 1, 2)


def _join_lines(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.permute(0, 2, 3, 1) for part in parts], 1).permute(0, 3, 1, 2)


def _take_lines(x: Tensor, up: Tensor | None, first: int, last: int, height: int) -> Tensor:
    """Return lines of x (1, C, h, w), or of x enlarged; zeros where there are none (above 0, from ``height`` on)."""
    above, below = max(0, -first), max(0, last - height)
    start, end = first + above, last - below
    if up is None:
        lines = x[:, :, start:end]
    else:
        begin = start // 2
        part = x[:, :, begin : (end + 1) // 2]
        lines = _invert(part * up[:, :, None, None])[:, :, start - 2 * begin : end - 2 * begin]
    if not above and not below:
        return lines
    return _join_lines([_empty_lines(lines, above), lines, _empty_lines(lines, below)])


def _invert(x: Tensor) -> Tensor:
    """Inverse Haar transform of lines (1, 4 C, h, w), channels-last: (1, C, 2h, 2w)."""
    average, rows, columns, diagonals = x[0].permute(1, 2, 0).unflatten(2, (BANDS, -1)).unbind(2)
    h, w, channels = average.shape
    out = x.new_empty(h, 2, w, 2, channels)
    low, high = (average + rows).mul_(0.5), (columns + diagonals).mul_(0.5)
    torch.add(low, high, out=out[:, 0, :, 0])
    torch.sub(low, high, out=out[:, 0, :, 1])
    low, high = (average - rows).mul_(0.5), (columns - diagonals).mul_(0.5)
    torch.add(low, high, out=out[:, 1, :, 0])
    torch.sub(low, high, out=out[:, 1, :, 1])
    return out.view(1, 2 * h, 2 * w, channels).permute(0, 3, 1, 2)


def _transform(x: Tensor) -> Tensor:
    """Haar transform, the inverse and the transpose of ``_invert``: lines (1, C, 2h, 2w) to (1, 4 C, h, w)."""
    pixels = x[0].permute(1, 2, 0)
    (a, b), (c, d) = (line.unflatten(1, (-1, 2)).unbind(2) for line in pixels.unflatten(0, (-1, 2)).unbind(1))
    out = pixels.new_empty(1, *a.shape[:2], BANDS, a.shape[2])
    low, high = (a + b).mul_(0.5), (c + d).mul_(0.5)
    torch.add(low, high, out=out[0, :, :, 0])
    torch.sub(low, high, out=out[0, :, :, 1])
    low, high = (a - b).mul_(0.5), (c - d).mul_(0.5)
    torch.add(low, high, out=out[0, :, :, 2])
    torch.sub(low, high, out=out[0, :, :, 3])
    return out.flatten(3).permute(0, 3, 1, 2)
