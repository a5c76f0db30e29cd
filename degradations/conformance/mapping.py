"""Contract of the map itself: shapes, rows, linearity, gradients, ``lift`` and ``unobserved``."""

from __future__ import annotations

import torch

from degradations.conformance.distance import max_difference


def forward(phi, x, draw, tolerance):
    """Check shape, dtype, range and determinism of ``forward``."""
    y = phi(x)
    expected = (len(x), phi.channels(3), *phi.size(tuple(x.shape[-2:])))
    if tuple(y.shape) != expected:
        yield f"y has shape {tuple(y.shape)}, but channels() and size() give {expected}"
    if y.dtype != x.dtype:
        yield f"x is {x.dtype} and y {y.dtype}"
    if not bool(y.isfinite().all()):
        yield "y is not finite"
    elif float(y.abs().max()) > 1 + phi.overshoot + 1e-5:
        yield f"y reaches {float(y.abs().max()):.3f}, beyond [-1, 1] and an overshoot of {phi.overshoot}"
    for level in (-1.0, 0.0, 1.0):
        if not bool(phi(torch.full_like(x, level)).isfinite().all()):
            yield f"y is not finite for a picture that is {level:g} everywhere"
    if not torch.equal(y, phi(x)):
        yield "two calls differ; noise belongs to `noise`"
    if phi(x.double()).dtype != torch.float64:
        yield "float64 does not stay float64"


def rows(phi, x, draw, tolerance):
    """Check that a row gives the same result alone and among others."""

    def streams(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(i) for i in seeds]

    for name, act in {
        "forward": lambda v, *_: phi(v),
        "measure": lambda v, *i: phi.measure(v, streams(*i)),
    }.items():
        alone = torch.cat([act(x[i : i + 1], i) for i in range(len(x))])
        differs = max_difference(alone, act(x, *range(len(x))))
        if differs > 1e-5:
            yield f"the {name} of a row depends on the other rows (by {differs:.1e})"


def adjoint(phi, x, draw, tolerance):
    """Check linearity, and <A x, y> = <x, A^T y>."""
    if not phi.linear:
        return
    x = x.double()
    exact = phi._in_double()
    y, other = exact(x), draw(*x.shape, dtype=torch.float64)
    if max_difference(exact(2 * x - 3 * other), 2 * y - 3 * exact(other)) > 1e-9:
        yield "linear is True, but phi(2a - 3b) is not 2 phi(a) - 3 phi(b)"
    v = draw(*y.shape, dtype=torch.float64)
    back = exact.adjoint(v, tuple(x.shape[-2:]))
    if back.shape != x.shape:
        yield f"adjoint gives {tuple(back.shape)} for x of {tuple(x.shape)}"
        return
    left, right = float((y * v).sum()), float((x * back).sum())
    if abs(left - right) > 1e-5 * max(float(y.norm() * v.norm()), 1e-12):
        yield f"<A x, y> = {left:.6g} but <x, A^T y> = {right:.6g}"


def gradient(phi, x, draw, tolerance):
    """Check the gradient in x against differences."""
    if not phi.smooth:
        return
    exact = phi._in_double()
    point, way = (x.double() * 0.8).requires_grad_(), draw(*x.shape, dtype=torch.float64)
    with torch.no_grad():
        moved = (exact(point + 1e-6 * way) - exact(point - 1e-6 * way)) / 2e-6
    (gradient,) = torch.autograd.grad(exact(point), point, moved)
    slope, expected = float((gradient * way).sum()), float((moved * moved).sum())
    if abs(slope - expected) > 1e-4 * max(expected, 1e-6):
        yield f"the gradient is {slope:.6g} along a random way; differences of values give {expected:.6g}"


def lift(phi, x, draw, tolerance):
    """Check shape and linearity of ``lift``."""
    size = tuple(x.shape[-2:])
    a, b = phi(x), phi(x.flip(-1))
    if tuple(phi.lift(a, size).shape) != tuple(x.shape):
        yield f"lift gives {tuple(phi.lift(a, size).shape)}; expected {tuple(x.shape)}"
    elif max_difference(phi.lift(2 * a - b, size), 2 * phi.lift(a, size) - phi.lift(b, size)) > 1e-4:
        yield "lift is not linear"


def unobserved(phi, x, draw, tolerance):
    """Check that y does not depend on unobserved pixels."""
    size = tuple(x.shape[-2:])
    mask = phi.unobserved(size)
    if mask is None:
        return
    if mask.dtype != torch.bool or mask.ndim != 3 or tuple(mask.shape[-2:]) != size:
        yield f"unobserved gives {mask.dtype} of {tuple(mask.shape)}; expected bool (1 or N, H, W)"
    elif max_difference(phi(torch.where(mask[:, None], draw(*x.shape), x)), phi(x)) > 1e-6:
        yield "y depends on pixels that unobserved marks"
