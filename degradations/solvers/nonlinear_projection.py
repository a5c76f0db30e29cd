"""The picture in [-1, 1] nearest to a given one that a smooth operator, linear or not, maps to y.

First to y: damped Gauss-Newton steps (Levenberg-Marquardt) over the pixels that are free to move. The damping adapts to
the success of each row, and a step that does not bring a row closer to y is rejected. Then along the set of pictures
with this
y, towards the given one: a linear projection onto the tangent plane, and back to y. Rows are independent.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from degradations.rows import dot_per_row, expand_rows
from degradations.solvers.projection import Map, project

# Where a curve is flat or vertical (gamma curves at black, cubes at grey), its slope there is no guide. Slopes are
# taken at a point moved towards a random picture by each of these shares in turn.
ASIDE = (1e-6, 1e-2, 1e-4)
CLOSE = 1e-6


def _linearize(phi: Map, x: Tensor) -> tuple[Map, Map]:
    """Return the maps v -> J v and u -> J^T u, where J is the Jacobian of phi at x.

    J v is computed as the derivative of J^T u with respect to u, since more operators support two backward passes than
    forward-mode differentiation.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = phi(x)
        u = torch.zeros_like(y, requires_grad=True)
        (back,) = torch.autograd.grad(y, x, u, create_graph=True, materialize_grads=True)

    def push(v: Tensor) -> Tensor:
        return torch.autograd.grad(back, u, v, retain_graph=True, materialize_grads=True)[0]

    def pull(w: Tensor) -> Tensor:
        return torch.autograd.grad(y, x, w, retain_graph=True, materialize_grads=True)[0]

    return push, pull


def _gauss_newton_step(push: Map, pull: Map, movable: Tensor, r: Tensor, *, damping: Tensor, rounds: int) -> Tensor:
    """Minimise |r - J d|^2 + damping |d|^2 over the movable pixels by conjugate gradients, to a tenth.

    Args:
        push, pull: J and J^T.
        movable: (N, C, H, W), 1 for pixels that may move and 0 for others.
        r: the residual, (N, c, h, w).
        damping: (N,).
        rounds: most iterations.

    Returns:
        d, (N, C, H, W).
    """
    d = torch.zeros_like(movable)
    slope = movable * pull(r)
    p, gamma = slope, dot_per_row(slope, slope)
    enough = gamma * 1e-2
    active = gamma > 0
    for _ in range(rounds):
        pushed = push(p)
        curvature = dot_per_row(pushed, pushed) + damping * dot_per_row(p, p)
        length = expand_rows(torch.where(active, gamma / curvature.clamp_min(1e-300), 0))
        d, r = d + length * p, r - length * pushed
        slope = movable * pull(r) - expand_rows(damping) * d
        before, gamma = gamma, torch.where(active, dot_per_row(slope, slope), gamma)
        active = active & (gamma > enough)
        if not active.any():
            break
        p = slope + expand_rows(gamma / before.clamp_min(1e-300)) * p
    return d


def _approach(phi: Map, x: Tensor, y: Tensor, *, rounds: int, inner: int, within: float | Tensor = 0.0) -> Tensor:
    """Move x (N, C, H, W) in [-1, 1] to phi(x) = y, or ``within`` a distance; the misfit of a row never grows.

    A pixel moves at most by its row's ``reach`` in one step: on a flat part of a curve a Newton step is huge, and would
    bounce between the two borders of the gamut.
    """
    r = y - phi(x)
    misfit = dot_per_row(r, r)
    enough = torch.as_tensor(within).to(misfit).square() * y[0].numel()
    active = (r.flatten(1).abs().amax(1) > CLOSE) & (misfit > enough) & misfit.isfinite()
    damping, reach, stalled = torch.full_like(misfit, 0.1), torch.full_like(misfit, 0.5), torch.zeros_like(misfit)
    aside = torch.rand(x.shape[1:], generator=torch.Generator().manual_seed(0), dtype=x.dtype).to(x) * 2 - 1
    for number in range(rounds):
        if not active.any():
            break
        push, pull = _linearize(phi, torch.lerp(x, aside, ASIDE[number % len(ASIDE)]))
        slope = pull(r)
        # pixels at the border of the gamut whose step points outwards stay there
        movable = ~((x.abs() >= 1) & (slope * x > 0)) * expand_rows(active).to(x)
        slope = slope * movable
        scale = dot_per_row(slope, slope) / misfit.clamp_min(1e-300)
        d = _gauss_newton_step(push, pull, movable, r, damping=damping * scale, rounds=inner)
        trial = (x + d.clamp(-expand_rows(reach), expand_rows(reach))).clamp(-1, 1)
        trial_r = y - phi(trial)
        new_misfit = dot_per_row(trial_r, trial_r)
        closer = active & (new_misfit < misfit)
        stalled = torch.where(active & (new_misfit < 0.98 * misfit), 0, stalled + 1)
        x, r = torch.where(expand_rows(closer), trial, x), torch.where(expand_rows(closer), trial_r, r)
        misfit = torch.where(closer, new_misfit, misfit)
        damping = torch.where(closer, damping / 5, damping * 5).clamp(1e-12, 1e12)
        reach = torch.where(closer, reach * 2, reach / 3).clamp(1e-3, 1)
        active = active & (r.flatten(1).abs().amax(1) > CLOSE) & (misfit > enough) & (stalled < 4 * len(ASIDE))
    return x


def project_curved(
    phi: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    *,
    within: Tensor | None = None,
    rounds: int = 100,
    inner: int = 30,
    turns: int = 6,
) -> Tensor:
    """Move x to a picture that phi maps to y, as near to x as possible (see the module).

    A row within 1e-6 of y, or ``within`` the given distance, is returned unchanged.

    Args:
        phi: a smooth operator on float64 batches.
        x: (N, C, H, W) float64 in [-1, 1].
        y: (N, c, h, w) float64.
        within: (N,), the root mean square of y - phi(x) at which to stop, for ill-posed operators; the walk along the
            pictures with this y, which would be as ill-posed, is then left out.
        rounds: most steps towards y.
        inner: most conjugate gradient iterations in a step.
        turns: most walks along the pictures with this y.

    Returns:
        (N, C, H, W) float64 in [-1, 1], with no row further from y than it was.
    """
    if within is not None:
        return _approach(phi, x, y, rounds=rounds, inner=inner, within=within)
    picture = _approach(phi, x, y, rounds=rounds, inner=inner)

    def away(z: Tensor) -> Tensor:
        return dot_per_row(z - x, z - x)

    def misfit(z: Tensor) -> Tensor:
        return (y - phi(z)).flatten(1).norm(dim=1)

    distance, error, active = away(picture), misfit(picture), away(picture) > 0
    for _ in range(turns):
        if not active.any():
            break
        push, pull = _linearize(phi, picture * (1 - ASIDE[0]))
        start = torch.where(expand_rows(active), x, picture)
        nearest = project(push, pull, start, push(picture), rounds=6, inner=inner, finish=0)
        waiting = active & (away(nearest) < 0.999 * distance)
        active = torch.zeros_like(active)
        for share in (1.0, 0.5, 0.25):
            if not waiting.any():
                break
            trial = torch.where(expand_rows(waiting), picture + share * (nearest - picture), picture)
            trial = _approach(phi, trial, y, rounds=10, inner=inner)
            new_distance = away(trial)
            accepted = waiting & (new_distance < 0.999 * distance) & (misfit(trial) <= error.clamp_min(1e-5))
            picture = torch.where(expand_rows(accepted), trial, picture)
            distance = torch.where(accepted, new_distance, distance)
            waiting, active = waiting & ~accepted, active | accepted
    return picture
