"""Contract of ``merge``: it reaches the observation, and changes no more than needed."""

from __future__ import annotations

import torch

from degradations.conformance.distance import max_difference
from degradations.noise.precision import ROUNDING


def merge(phi, x, draw, tolerance):
    """Check shape, range, misfit, idempotence and independence of rows of ``merge``."""
    y, other = phi(x), draw(*x.shape)
    merged = phi.merge(other, y)
    if merged.shape != x.shape or merged.dtype != x.dtype:
        yield f"merge gives {merged.dtype} of {tuple(merged.shape)}; expected {x.dtype} of {tuple(x.shape)}"
        return
    if float(merged.abs().max()) > 1:
        yield "merge leaves [-1, 1]"
    if phi.noise is None and max_difference(phi.merge(x, y), x) > 1e-5:
        yield f"merge changes the true picture by {max_difference(phi.merge(x, y), x):.1e}"
    before, after = max_difference(phi(other), y), max_difference(phi(merged), y)
    if phi.linear and phi.noise is None and phi.well_posed and after > tolerance:
        yield f"phi(merge(x, y)) misses y by {after:.1e}"
    error = (phi(merged) - y).square().flatten(1).mean(1).sqrt().max()
    if phi.linear and phi.noise is None and not phi.well_posed and error > 1.001 * ROUNDING:
        yield f"phi(merge(x, y)) misses y by {error:.1e} in the root mean square; rounding makes {ROUNDING:.1e}"
    if after > before + 1e-5:
        yield f"merge moves phi(x) away from y ({before:.1e} to {after:.1e})"
    if phi.linear and max_difference(phi.merge(merged, y), merged) > tolerance:
        yield f"merging twice differs from merging once by {max_difference(phi.merge(merged, y), merged):.1e}"
    if max_difference(torch.cat([phi.merge(other[i : i + 1], y[i : i + 1]) for i in range(len(x))]), merged) > 1e-4:
        yield "the merge of a row depends on the other rows"
