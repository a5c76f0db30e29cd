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
from degradations.solvers.projection import Map, estimate_step

PATIENCE, GAIN = 20, 0.9  # a row that does not come a tenth closer in 20 rounds is out of reach
INSIDE = 0.98  # aim a little inside the distance, so that rounding the result to float32 keeps it within


def project_near(forward: Map, adjoint: Map, x: Tensor, y: Tensor, *, within: Tensor, rounds: int = 400) -> Tensor:
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
    active = misfit > enough
    if not active.any():
        return x
    enough = enough * INSIDE**2
    step = estimate_step(forward, adjoint, adjoint(r), rounds=8)
    extrapolated, extrapolated_r = x, r  # extrapolated_r: y - A extrapolated
    turns = torch.zeros_like(misfit)
    misfit_before = misfit
    for number in range(1, rounds + 1):
        trial = (extrapolated + expand_rows(step) * adjoint(extrapolated_r)).clamp(-1, 1)
        trial_r = y - forward(trial)
        new_misfit = dot_per_row(trial_r, trial_r)
        better = active & (new_misfit < misfit)
        # shorten the last step so that it ends exactly at the distance: |r + t (trial_r - r)|^2 = enough
        change = trial_r - r
        curve, slope = dot_per_row(change, change).clamp_min(1e-300), dot_per_row(r, change)
        root = (slope.square() - curve * (misfit - enough)).clamp_min(0).sqrt()
        last = better & (new_misfit <= enough)
        share = expand_rows(torch.where(last, ((-slope - root) / curve).clamp(0, 1), 1))
        trial, trial_r = x + share * (trial - x), r + share * change
        # reject a step that overshoots and drop the momentum; without momentum, the step itself was too long
        step = torch.where(better | (turns > 0), step, step / 2)
        turns = torch.where(better, turns + 1, 0)
        momentum = expand_rows((turns - 1).clamp_min(0) / (turns + 2))
        take = expand_rows(better)
        extrapolated = torch.where(take, trial + momentum * (trial - x), x)
        extrapolated_r = torch.where(take, trial_r + momentum * (trial_r - r), r)
        x, r, misfit = (
            torch.where(take, trial, x),
            torch.where(take, trial_r, r),
            torch.where(better, new_misfit, misfit),
        )
        active = active & ~last
        if number % PATIENCE == 0:
            active, misfit_before = active & (misfit < GAIN**2 * misfit_before), misfit
        if not active.any():
            break
    return x
