"""A picture in [-1, 1] near a given one that an ill-posed linear operator maps to within some distance of y.

Blur leaves hardly any fine detail, so a picture that met y exactly would amplify the rounding of y many times.
Accelerated projected gradients on |A x - y|^2, started at the given picture, recover first what y determines best. They
stop at the noise level of y (the discrepancy principle), or where y is out of reach, and change nothing else (A.
Neubauer 2017, "On Nesterov acceleration for Landweber iteration of linear ill-posed problems"). Rows are independent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.rows import dot_per_row, expand_rows
from degradations.solvers.projection import Map

PATIENCE, GAIN = 20, 0.9  # a row that does not come a tenth closer in 20 rounds is out of reach
INSIDE = 0.98  # aim a little inside the distance, so that rounding the result to float32 keeps it within


def _estimate_step(forward: Map, adjoint: Map, probe: Tensor) -> Tensor:
    """Estimate the step length 1 / |A|^2 of each row by the power method: (N,)."""
    for _ in range(8):
        probe = adjoint(forward(probe / expand_rows(probe.flatten(1).norm(dim=1).clamp_min(1e-300))))
    return 1 / (1.05 * probe.flatten(1).norm(dim=1)).clamp_min(1e-12)


def project_near(forward: Map, adjoint: Map, x: Tensor, y: Tensor, within: Tensor, *, rounds: int = 400) -> Tensor:
    """Move x until A x is within a distance of y (see the module).

    A row that is near enough is returned unchanged, and no row ends further from y than it began.

    Args:
        forward, adjoint: A and A^T on float64 batches.
        x: (N, C, H, W) float64 in [-1, 1].
        y: (N, c, h, w) float64.
        within: (N,), the root mean square of y - A x at which to stop.
        rounds: most steps.

    Returns:
        (N, C, H, W) float64 in [-1, 1].
    """
    r = y - forward(x)
    misfit, enough = dot_per_row(r, r), within.square() * y[0].numel()
    going = misfit > enough
    if not going.any():
        return x
    enough = enough * INSIDE**2
    step = _estimate_step(forward, adjoint, adjoint(r))
    ahead, beyond = x, r  # beyond: y - A ahead
    turns = torch.zeros_like(misfit)
    marked = misfit
    for number in range(1, rounds + 1):
        moved = (ahead + expand_rows(step) * adjoint(beyond)).clamp(-1, 1)
        left = y - forward(moved)
        fresh = dot_per_row(left, left)
        better = going & (fresh < misfit)
        # shorten the last step so that it ends exactly at the distance: |r + t (left - r)|^2 = enough
        way = left - r
        curve, slope = dot_per_row(way, way).clamp_min(1e-300), dot_per_row(r, way)
        root = (slope.square() - curve * (misfit - enough)).clamp_min(0).sqrt()
        last = better & (fresh <= enough)
        share = expand_rows(torch.where(last, ((-slope - root) / curve).clamp(0, 1), 1))
        moved, left = x + share * (moved - x), r + share * way
        # reject a step that overshoots and drop the momentum; without momentum, the step itself was too long
        step = torch.where(better | (turns > 0), step, step / 2)
        turns = torch.where(better, turns + 1, 0)
        momentum = expand_rows((turns - 1).clamp_min(0) / (turns + 2))
        take = expand_rows(better)
        ahead = torch.where(take, moved + momentum * (moved - x), x)
        beyond = torch.where(take, left + momentum * (left - r), r)
        x, r, misfit = torch.where(take, moved, x), torch.where(take, left, r), torch.where(better, fresh, misfit)
        going = going & ~last
        if number % PATIENCE == 0:
            going, marked = going & (misfit < GAIN**2 * marked), misfit
        if not going.any():
            break
    return x
