"""Contract of stored forms: pictures in files, spec texts, state dicts."""

from __future__ import annotations

import torch

from degradations.conformance.distance import max_difference
from degradations.core.registry import names
from degradations.core.spec import parse


def files(phi, x, draw, tolerance):
    """Check that ``read`` inverts ``picture``, and that ``simulate`` stays in [-1, 1]."""
    for i in range(len(x)):
        y = phi.simulate(x[i : i + 1], torch.Generator().manual_seed(i))
        if y.shape[1] not in (1, 3):  # measurements, which picture files cannot hold
            return
        if float(y.abs().max()) > 1:
            yield "simulate leaves [-1, 1]"
        back = phi.read(phi.picture(y))
        if not torch.equal(back, y):
            yield f"read(picture(y)) is not the simulated y (differs by {max_difference(back, y):.1e})"
            return


def text(phi, x, draw, tolerance):
    """Check that spec and state dict give back an equal operator."""
    if any(link.name not in names() for link in phi.operators()):
        return
    size, again = tuple(x.shape[-2:]), parse(phi.spec)
    if again.spec != phi.spec:
        yield f"{phi.spec!r} parses to something that is written {again.spec!r}"
    saved = parse(phi.spec)
    saved.load_state_dict(phi.state_dict())
    if not torch.equal(saved(x), phi(x)):
        yield "state_dict, loaded into an operator of the same spec, does not give the same y"
    if "mask=sha256-" not in phi.spec:
        stored = phi.picture(phi.simulate(x[:1])) if phi.alpha_marks_missing else None
        if not torch.equal(again.build(stored, seed=12345, size=size)(x), phi(x)):
            yield f"{phi.spec!r} parses to an operator that gives another y"
