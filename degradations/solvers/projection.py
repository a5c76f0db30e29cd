"""Projection of a picture onto {x': A x' = y, -1 <= x' <= 1} for a linear operator A.

    minimise |x' - x|^2 subject to A x' = y, -1 <= x' <= 1

The dual has one multiplier for each value of y, the solution is ``clip(x + A^T lambda)``, and Newton's method on the
dual, which is concave and piecewise quadratic, ends in a few rounds. Where no pixel is clipped, the first round is
back-projection with the pseudo-inverse. Rows that this leaves short of y (A is nearly singular, or no picture has this
y) are brought to the least misfit by projected gradients. Rows are independent: each has its own step lengths and its
own stopping.

If y is known only to within a ``floor``, a row that has come this close goes on only while that is cheap: what a blur
has left of fine detail lies below the rounding of a file, and inverting the blur would amplify the rounding (early
stopping by
the discrepancy principle: Morozov 1966; Hanke 1995).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from degradations.rows import dot_per_row, expand_rows, rms_per_row

Map = Callable[[Tensor], Tensor]


# A round of Newton's method need not solve its linear system further than to this share of the misfit: what is left is
# corrected by the next round, which knows better which pixels are clipped (Dembo, Eisenstat & Steihaug 1982).
FORCING = 0.1
# A step is cheap while it changes the picture by at most this many times what it changes y (both root mean square).
CHEAP = 8.0


def _newton_step(
    forward: Map, adjoint: Map, weight: Tensor, r: Tensor, *, rounds: int, floor: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Solve A W A^T q = r in the least-squares sense by CGLS on A W^(1/2).

    A row stops when its misfit no longer falls, since the rest is out of reach, and going on would only amplify
    directions to which A is nearly blind; when little is left of it (``FORCING``); or when it is within its floor and
    the next step is expensive.

    Args:
        forward, adjoint: A and A^T.
        weight: the diagonal of W, (N, C, H, W).
        r: (N, c, h, w).
        rounds: most iterations.
        floor: (N,), see ``project``.

    Returns:
        q, A^T q, and (N,) bool: the rows that stopped within their floor.
    """
    image = adjoint(r)
    p, direction = image, r
    gamma, misfit = dot_per_row(image, weight * image), dot_per_row(r, r)
    active, little = misfit > 0, FORCING**2 * misfit
    q, back = torch.zeros_like(r), torch.zeros_like(image)
    enough = torch.zeros_like(active)
    for _ in range(rounds):
        forward_p = forward(weight * p)
        length = torch.where(active, gamma / dot_per_row(forward_p, forward_p).clamp_min(1e-300), 0)
        new_r = r - expand_rows(length) * forward_p
        new_misfit = dot_per_row(new_r, new_r)
        expensive = rms_per_row(weight * p) > CHEAP * rms_per_row(forward_p)
        enough = enough | (active & expensive & (rms_per_row(r) <= floor))
        active = active & (new_misfit < 0.9999 * misfit) & ~enough
        if not active.any():
            break
        take = expand_rows(active)
        q, back = (
            torch.where(take, q + expand_rows(length) * direction, q),
            torch.where(take, back + expand_rows(length) * p, back),
        )
        r, misfit = torch.where(take, new_r, r), torch.where(active, new_misfit, misfit)
        active = active & (misfit > little)
        if not active.any():
            break
        image = adjoint(r)
        before, gamma = gamma, dot_per_row(image, weight * image)
        turn = expand_rows(gamma / before.clamp_min(1e-300))
        p, direction = image + turn * p, r + turn * direction
    return q, back, enough


def estimate_step(forward: Map, adjoint: Map, probe: Tensor, rounds: int) -> Tensor:
    """Estimate the step length 1 / |A|^2 of gradient descent for each row, by the power method.

    Args:
        forward, adjoint: A and A^T.
        probe: where to begin, (N, C, H, W).
        rounds: iterations of the power method.

    Returns:
        (N,).
    """
    for _ in range(rounds):
        probe = adjoint(forward(probe / expand_rows(probe.flatten(1).norm(dim=1).clamp_min(1e-300))))
    return 1 / (1.05 * probe.flatten(1).norm(dim=1)).clamp_min(1e-12)


def _descend(forward: Map, adjoint: Map, x: Tensor, y: Tensor, *, rounds: int, enough: Tensor) -> Tensor:
    """Reduce |A x - y|^2 by accelerated projected gradients in rows that Newton's method left short of y.

    The momentum is dropped where it overshoots, so that the misfit of a row never grows.
    """
    r = y - forward(x)
    active = (r.flatten(1).abs().amax(1) > 1e-6) & ~enough
    if not active.any():
        return x
    step = estimate_step(forward, adjoint, adjoint(r), rounds=20)
    extrapolated, momentum, misfit = x, torch.ones_like(step), dot_per_row(r, r)
    for _ in range(rounds):
        trial = (extrapolated + expand_rows(step) * adjoint(y - forward(extrapolated))).clamp(-1, 1)
        r = y - forward(trial)
        new_misfit = dot_per_row(r, r)
        better = active & (new_misfit < misfit)
        new_momentum = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        beyond = trial + expand_rows((momentum - 1) / new_momentum) * (trial - x)
        extrapolated = torch.where(expand_rows(better), beyond, x)
        momentum = torch.where(better, new_momentum, 1)
        x = torch.where(expand_rows(better), trial, x)
        misfit = torch.where(better, new_misfit, misfit)
        active = active & (r.flatten(1).abs().amax(1) > 1e-7)
        if not active.any():
            break
    return x


def project(
    forward: Map,
    adjoint: Map,
    x: Tensor,
    y: Tensor,
    *,
    floor: Tensor | None = None,
    rounds: int = 25,
    inner: int = 100,
    finish: int = 300,
) -> Tensor:
    """Project x onto the pictures that A maps to y (see the module). A row within 1e-6 of y is returned unchanged.

    Args:
        forward, adjoint: A and A^T on float64 batches.
        x: (N, C, H, W) float64.
        y: (N, c, h, w) float64.
        floor: (N,), the root mean square error to which y is known; None: exactly known.
        rounds: most Newton rounds.
        inner: most CGLS iterations in a round.
        finish: most projected gradient steps at the end.

    Returns:
        (N, C, H, W) float64 in [-1, 1].
    """
    free, multiplier = x.clone(), torch.zeros_like(y)
    best = x.clamp(-1, 1)
    r = y - forward(best)
    misfit = r.flatten(1).norm(dim=1)
    active = r.flatten(1).abs().amax(1) > 1e-6
    stalled, floor = torch.zeros_like(misfit), torch.zeros_like(misfit) if floor is None else floor
    enough = torch.zeros_like(active)

    def dual(picture, multiplier, r):
        return dot_per_row(picture - x, picture - x) / 2 + dot_per_row(multiplier, r)

    value = dual(best, multiplier, r)
    for _ in range(rounds):
        if not active.any():
            break
        # clipped pixels keep a little weight, so that they can leave the border even if all pixels of a y are clipped
        weight = torch.where(free.abs() <= 1, 1.0, 1e-4).to(x)
        q, back, close = _newton_step(forward, adjoint, weight, r * expand_rows(active), rounds=inner, floor=floor)
        slope, step, waiting = dot_per_row(q, r), torch.ones_like(misfit), active.clone()
        for _ in range(20):
            trial = free + expand_rows(step) * back
            picture = trial.clamp(-1, 1)
            trial_r = y - forward(picture)
            trial_value = dual(picture, multiplier + expand_rows(step) * q, trial_r)
            good = waiting & (trial_value >= value + 1e-4 * step * slope - 1e-12 * value.abs())
            take = expand_rows(good)
            free, r = torch.where(take, trial, free), torch.where(take, trial_r, r)
            multiplier = torch.where(take, multiplier + expand_rows(step) * q, multiplier)
            value = torch.where(good, trial_value, value)
            waiting = waiting & ~good
            if not waiting.any():
                break
            step = torch.where(waiting, step / 2, step)
        new_misfit = r.flatten(1).norm(dim=1)
        better = active & (new_misfit < 0.99 * misfit)
        best = torch.where(expand_rows(better), free.clamp(-1, 1), best)
        misfit = torch.where(better, new_misfit, misfit)
        stalled = torch.where(better, 0, stalled + 1)
        # the dual rises in every round; the misfit may not fall in every one, hence the patience of 4
        enough = enough | (close & (rms_per_row(r) <= floor))
        active = active & ~enough & ~waiting & (r.flatten(1).abs().amax(1) > 1e-8) & (stalled < 4)
    return _descend(forward, adjoint, best, y, rounds=finish, enough=enough)
