"""Contract of operators whose ``measure`` is the true codec or filter, and ``forward`` its smooth surrogate.

A step along the surrogate's gradient must bring the true observation nearer.
"""

from __future__ import annotations

import torch

from degradations.conformance.pictures import make_natural_pictures
from degradations.noise.model import NoiseModel

TRIALS, SHARE = 20, 0.9
STEPS = (0.003, 0.01, 0.03, 0.1)


def surrogate(phi, x, draw, tolerance):
    """Check that gradient steps on the surrogate lower the error of the true observation."""
    size = tuple(x.shape[-2:])
    truth, start = make_natural_pictures(size, TRIALS, 1), make_natural_pictures(size, TRIALS, 2)
    with torch.no_grad():
        y = phi.measure(truth, torch.Generator().manual_seed(1))
        if not torch.equal(y, phi.measure(truth, torch.Generator().manual_seed(2))):
            return  # random noise, which no step can reduce
        if y.shape != phi(truth).shape:
            yield f"measure gives {tuple(y.shape)} and forward {tuple(phi(truth).shape)}"
            return
        if float((y - phi(truth)).abs().max()) < 1e-5:
            return  # forward is the true operator
    start = truth + 0.3 * (start - truth)
    point = start.clone().requires_grad_()
    squared = NoiseModel().distance
    distance = squared if phi.noise is None else phi.noise.distance
    misfit = distance(phi(point), y).sum()
    if not misfit.requires_grad:
        yield "measure differs from forward, which passes no gradient on"
        return
    (gradient,) = torch.autograd.grad(misfit, point)
    with torch.no_grad():
        way = gradient / gradient.flatten(1).square().mean(1).sqrt().clamp_min(1e-20)[:, None, None, None]
        trials = [start, *((start - step * way).clamp(-1, 1) for step in STEPS)]
        best = torch.stack([distance(phi(trial), y) for trial in trials]).argmin(0)
        stepped = torch.stack(trials)[best, torch.arange(TRIALS)]
        before, after = squared(phi.measure(start), y), squared(phi.measure(stepped), y)
    lowered = float(((after < before) | (before < 1e-7)).float().mean())
    if lowered < SHARE:
        yield f"a step along the gradient lowers the true error in {lowered:.0%} of {TRIALS} trials, not in {SHARE:.0%}"
