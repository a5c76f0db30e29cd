"""A picture that a linear operator maps to y, and whose difference from a given one is sparse.

    minimise |A x' - y|^2 / deviation^2 + (penalty of the DCT coefficients of x' - x)

Half-quadratic splitting with a denoiser as its second step, whose strength falls from ``FIRST`` to the noise of y (K.
Zhang et al. 2021, "Plug-and-play image restoration with deep denoiser prior", section 4; here the denoiser is
``sparse_change``): what y determines best is recovered first, and what it does not determine stays sparse.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.rows import dot_per_row, expand_rows
from degradations.solvers.membrane import extend_membrane
from degradations.solvers.sparse_change import extract_sparse_change

Map = Callable[[Tensor], Tensor]

FIRST = 0.1  # strength of the first denoising, on the scale of [-1, 1]
BALANCE = 0.5  # weight of the denoised picture beside y
ROUNDS, INNER = 8, 12
FILLINGS = 10
COARSE = 4  # stride of the blocks in inner rounds
NEAR = 9  # side of the neighbourhood in which known pixels must be for details of a hole to be inferred
ENOUGH = 0.1  # share of known pixels in it


def _solve_dual(forward: Map, adjoint: Map, r: Tensor, start: Tensor, weight: Tensor) -> Tensor:
    """Solve (A A^T + weight) u = r by conjugate gradients, where near + A^T u minimises
    |y - A z|^2 + weight |z - near|^2 if r = y - A near.

    Args:
        forward, adjoint: A and A^T.
        r, start: (N, c, h, w).
        weight: (N or 1, 1 or c, 1, 1).

    Returns:
        u, (N, c, h, w).
    """
    u = start
    r = r - forward(adjoint(u)) - weight * u
    p, gamma = r, dot_per_row(r, r)
    for _ in range(INNER):
        q = forward(adjoint(p)) + weight * p
        length = expand_rows(gamma / dot_per_row(p, q).clamp_min(1e-30))
        u, r = u + length * p, r - length * q
        before, gamma = gamma, dot_per_row(r, r)
        p = r + expand_rows(gamma / before.clamp_min(1e-30)) * p
    return u


def find_sparse_solution(
    forward: Map, adjoint: Map, x: Tensor, y: Tensor, *, start: Tensor, deviation: Tensor
) -> Tensor:
    """Find a picture near y in the sense of A, whose difference from x is sparse (see the module).

    Args:
        forward, adjoint: A and A^T.
        x: (N, C, H, W).
        y: (N, c, h, w).
        start: (N, C, H, W), the picture to begin with.
        deviation: standard deviation of the noise of y, (N or 1, 1, 1, 1); (N or 1, c, 1, 1) if A treats each channel
            by itself.

    Returns:
        (N, C, H, W) in [-1, 1].
    """
    last = torch.maximum(2 * deviation, (4 * deviation).clamp_max(0.01))
    first = last.clamp_min(FIRST)
    picture, dual = start, torch.zeros_like(y)
    for number in range(ROUNDS):
        strength = first * (last / first) ** (number / (ROUNDS - 1))
        weight = BALANCE * (deviation / strength).square()
        dual = _solve_dual(forward, adjoint, y - forward(picture), dual, weight)
        solution = picture + adjoint(dual)
        if number < ROUNDS - 1:
            change = extract_sparse_change(solution - x, strength, stride=COARSE, refine=False, shift=number)
            picture = (x + change).clamp(-1, 1)
    return (x + extract_sparse_change(solution - x, last / 2)).clamp(-1, 1)


def fill_sparsely(x: Tensor, y: Tensor, known: Tensor, *, start: Tensor | None = None) -> Tensor:
    """Fill the unknown pixels of y, so that the difference from x is smooth and, near known pixels, sparse.

    A membrane first, then denoising of falling strength while known pixels stay (O. G. Guleryuz 2006, "Nonlinear
    approximation based image recovery using adaptive sparse reconstructions").

    Args:
        x: (N, C, H, W), such as the answer of a prior.
        y: (N, C, H, W).
        known: (N or 1, 1 or C, H, W) bool.
        start: (N, C, H, W), instead of the membrane.

    Returns:
        (N, C, H, W) in [-1, 1], with known pixels as in y, bit for bit.
    """
    filled = x + extend_membrane(y - x, known) if start is None else start
    filled = torch.where(known, y, filled.clamp(-1, 1))
    around = F.avg_pool2d(known.to(x), NEAR, stride=1, padding=NEAR // 2, count_include_pad=False)
    inferred = ~known & (around > ENOUGH)
    if not bool(inferred.any()):
        return filled
    for number in range(FILLINGS):
        strength = x.new_full((1, 1, 1, 1), 0.15 * (0.015 / 0.15) ** (number / (FILLINGS - 1)))
        change = extract_sparse_change(filled - x, strength, stride=COARSE, threshold=1, refine=False, shift=number)
        filled = torch.where(inferred, (x + change).clamp(-1, 1), filled)
    return filled
