"""Contract of a noise model: its random numbers, its strength, and its data term."""

from __future__ import annotations

import torch

from degradations.conformance.distance import max_difference

DRAWS = 8


def noise(phi, x, draw, tolerance):
    """Check ``sample``, ``mean_square``, ``nll``, ``distance`` and ``within`` of the operator's noise."""
    model = phi.noise
    if model is None:
        return
    with torch.no_grad():
        clean = phi(x)
        yield from _samples(model, clean)
        noisy = [model.sample(clean, _streams(100 * i, len(x))) for i in range(DRAWS)]
        if all(torch.equal(y, clean) for y in noisy):
            yield "sample adds nothing"
            return
        yield from _strength(model, clean, noisy)
        yield from _terms(model, clean, noisy[0])


def _streams(first: int, rows: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + i) for i in range(rows)]


def _samples(model, clean):
    rows = len(clean)
    before = torch.get_rng_state()
    y = model.sample(clean, _streams(0, rows))
    if y.shape != clean.shape or y.dtype != clean.dtype:
        yield f"sample gives {y.dtype} of {tuple(y.shape)}; expected {clean.dtype} of {tuple(clean.shape)}"
        return
    if not bool(y.isfinite().all()):
        yield "sample is not finite"
    one = model.sample(clean, torch.Generator().manual_seed(0))
    if not torch.equal(before, torch.get_rng_state()):
        yield "sample takes numbers from PyTorch's own random stream; use the given generator"
    if not torch.equal(one, model.sample(clean, torch.Generator().manual_seed(0))):
        yield "equal seeds give other samples"
    alone = torch.cat([model.sample(clean[i : i + 1], _streams(i, 1)) for i in range(rows)])
    if max_difference(alone, y) > 1e-5:
        yield f"the sample of a row depends on the other rows (by {max_difference(alone, y):.1e})"
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    others = [model.sample(clean[:1], one) for one in generators]
    drew = not torch.equal(generators[0].get_state(), torch.Generator().manual_seed(1).get_state())
    if drew and clean[0].numel() > 100 and torch.equal(*others):  # rounding noise draws nothing
        yield "other seeds give equal samples"


def _strength(model, clean, noisy):
    stated = model.mean_square(clean)
    if stated is None:
        return
    if tuple(stated.shape) != (len(clean),):
        yield f"mean_square gives {tuple(stated.shape)}; expected ({len(clean)},)"
        return
    squares = torch.stack([(y - clean).square().flatten(1).mean(1) for y in noisy])
    measured, doubt = squares.mean(0), squares.std(0) / DRAWS**0.5
    wrong = (stated - measured).abs() > 0.05 * measured + 5 * doubt + 1e-9
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0, 0])
        yield f"mean_square is {float(stated[row]):.4g}, but that of samples is {float(measured[row]):.4g}"


def _terms(model, clean, y):
    rows = len(clean)
    other = clean + (y - clean).flatten(1).square().mean(1).sqrt()[:, None, None, None] * _bumps(clean)
    for name, term in {"nll": model.nll, "distance": model.distance}.items():
        value = term(clean, y)
        if tuple(value.shape) != (rows,):
            yield f"{name} gives {tuple(value.shape)}; expected ({rows},), one for each row"
            continue
        if not bool(value.isfinite().all()):
            yield f"{name} is not finite for a sample"
            continue
        alone = torch.cat([term(clean[i : i + 1], y[i : i + 1]) for i in range(rows)])
        if max_difference(alone, value) > 1e-4 * float(value.abs().max().clamp_min(1)):
            yield f"the {name} of a row depends on the other rows"
        if not float(value.mean()) < float(term(other, y).mean()):
            yield f"{name} is no larger for a wrong picture than for the true one"
    near = model.within(clean, y)
    if near.shape != y.shape:
        yield f"within gives {tuple(near.shape)}; expected {tuple(y.shape)}"
    elif bool(((near - clean).flatten(1).norm(dim=1) > 1.001 * (y - clean).flatten(1).norm(dim=1)).any()):
        yield "within is farther from y_hat than y is"


def _bumps(like):
    """Return random steps of up to 2 towards mid-grey, so that a picture stays in range."""
    random = torch.Generator().manual_seed(7)
    size = torch.rand(like.shape, generator=random, dtype=like.dtype)
    return -2 * size * torch.where(like >= 0, 1.0, -1.0).to(like)
