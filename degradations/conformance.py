"""The contract of an operator as a function, for our tests and for plugin authors.

from degradations.conformance import check

assert not check(MyDegradation(), size=(37, 31))
"""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.base import ROUNDING, Degradation, Size
from degradations.chain import Chain
from degradations.errors import DegradationError
from degradations.registry import names
from degradations.spec import parse


def check(
    operator: Degradation,
    size: Size = (32, 32),
    *,
    rows: int = 3,
    seed: int = 0,
    merge_tolerance: float = 1e-5,
) -> list[str]:
    """Try a built operator on random pictures of (H, W); returns what is wrong, in words. Empty: it keeps the
    contract.

    Args:
        operator: for any number of rows (nothing bound, one mask for all).
        merge_tolerance: how far phi(merge(x, y)) may be from the y of a real picture, and merging twice from
            merging once, for linear operators.
    """
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int, dtype=torch.float32) -> Tensor:
        return torch.rand(*shape, generator=random, dtype=dtype) * 2 - 1

    x = draw(rows, 3, *size)
    findings = []
    for title, part in _PARTS.items():
        try:
            findings += [f"{title}: {finding}" for finding in part(operator, x, draw, merge_tolerance)]
        except (DegradationError, RuntimeError, TypeError, ValueError, NotImplementedError) as error:
            findings.append(
                f"{title}: raised {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            )
    return findings


def _far(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max()) if a.shape == b.shape else float("inf")


def _forward(phi, x, draw, tolerance):
    y = phi(x)
    expected = (len(x), phi.channels(3), *phi.size(tuple(x.shape[-2:])))
    if tuple(y.shape) != expected:
        yield f"y has shape {tuple(y.shape)}, but channels() and size() say {expected}"
    if y.dtype != x.dtype:
        yield f"x is {x.dtype} and y {y.dtype}"
    if not bool(y.isfinite().all()):
        yield "y is not finite"
    elif float(y.abs().max()) > 1 + phi.overshoot + 1e-5:
        yield f"y reaches {float(y.abs().max()):.3f}, beyond [-1, 1] and an overshoot of {phi.overshoot}"
    if not torch.equal(y, phi(x)):
        yield "two calls differ; noise belongs to `noise`"
    if phi(x.double()).dtype != torch.float64:
        yield "float64 does not stay float64"


def _rows(phi, x, draw, tolerance):
    def streams(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(i) for i in seeds]

    for name, act in {
        "forward": lambda v, *_: phi(v),
        "measure": lambda v, *i: phi.measure(v, streams(*i)),
    }.items():
        alone = torch.cat([act(x[i : i + 1], i) for i in range(len(x))])
        differs = _far(alone, act(x, *range(len(x))))
        if differs > 1e-5:
            yield f"{name} gives a row another answer alone than among others (differs by {differs:.1e})"


def _adjoint(phi, x, draw, tolerance):
    if not phi.linear:
        return
    x = x.double()
    exact = phi._in_double()
    y, other = exact(x), draw(*x.shape, dtype=torch.float64)
    if _far(exact(2 * x - 3 * other), 2 * y - 3 * exact(other)) > 1e-9:
        yield "it says linear, but phi(2a - 3b) is not 2 phi(a) - 3 phi(b)"
    v = draw(*y.shape, dtype=torch.float64)
    back = exact.adjoint(v, tuple(x.shape[-2:]))
    if back.shape != x.shape:
        yield f"adjoint gives {tuple(back.shape)} for x of {tuple(x.shape)}"
        return
    left, right = float((y * v).sum()), float((x * back).sum())
    if abs(left - right) > 1e-5 * max(float(y.norm() * v.norm()), 1e-12):
        yield f"<A x, y> = {left:.6g} but <x, A^T y> = {right:.6g}"


def _gradient(phi, x, draw, tolerance):
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


def _lift(phi, x, draw, tolerance):
    size = tuple(x.shape[-2:])
    a, b = phi(x), phi(x.flip(-1))
    if tuple(phi.lift(a, size).shape) != tuple(x.shape):
        yield f"lift gives {tuple(phi.lift(a, size).shape)}; expected {tuple(x.shape)}"
    elif _far(phi.lift(2 * a - b, size), 2 * phi.lift(a, size) - phi.lift(b, size)) > 1e-4:
        yield "lift is not linear"


def _files(phi, x, draw, tolerance):
    for i in range(len(x)):
        y = phi.simulate(x[i : i + 1], torch.Generator().manual_seed(i))
        if float(y.abs().max()) > 1:
            yield "simulate leaves [-1, 1]"
        if y.shape[1] not in (1, 3):
            return
        back = phi.read(phi.picture(y))
        if not torch.equal(back, y):
            yield f"read(picture(y)) is not the simulated y (differs by {_far(back, y):.1e})"
            return


def _text(phi, x, draw, tolerance):
    if any(link.name not in names() for link in (phi.links if isinstance(phi, Chain) else [phi])):
        return
    size, again = tuple(x.shape[-2:]), parse(phi.spec)
    if again.spec != phi.spec:
        yield f"{phi.spec!r} parses to something that is written {again.spec!r}"
    saved = parse(phi.spec)
    saved.load_state_dict(phi.state_dict())
    if not torch.equal(saved(x), phi(x)):
        yield "state_dict, loaded into an operator of the same spec, does not give the same y"
    if "mask=sha256-" not in phi.spec:
        stored = phi.picture(phi.simulate(x[:1])) if phi.transparent(phi.size(size)) is not None else None
        if not torch.equal(again.build(stored, seed=12345, size=size)(x), phi(x)):
            yield f"{phi.spec!r} parses to an operator that gives another y"


def _merge(phi, x, draw, tolerance):
    y, other = phi(x), draw(*x.shape)
    merged = phi.merge(other, y)
    if merged.shape != x.shape or merged.dtype != x.dtype:
        yield f"merge gives {merged.dtype} of {tuple(merged.shape)}; expected {x.dtype} of {tuple(x.shape)}"
        return
    if float(merged.abs().max()) > 1:
        yield "merge leaves [-1, 1]"
    if phi.noise is None and _far(phi.merge(x, y), x) > 1e-5:
        yield f"merge changes the true picture by {_far(phi.merge(x, y), x):.1e}"
    before, after = _far(phi(other), y), _far(phi(merged), y)
    if phi.linear and phi.noise is None and phi.well_posed and after > tolerance:
        yield f"phi(merge(x, y)) misses y by {after:.1e}"
    error = (phi(merged) - y).square().flatten(1).mean(1).sqrt().max()
    if phi.linear and phi.noise is None and not phi.well_posed and error > 1.001 * ROUNDING:
        yield f"phi(merge(x, y)) misses y by {error:.1e} in the root mean square; rounding makes {ROUNDING:.1e}"
    if after > before + 1e-5:
        yield f"merge moves phi(x) away from y ({before:.1e} to {after:.1e})"
    if phi.linear and _far(phi.merge(merged, y), merged) > tolerance:
        yield f"merging twice differs from merging once by {_far(phi.merge(merged, y), merged):.1e}"
    if _far(torch.cat([phi.merge(other[i : i + 1], y[i : i + 1]) for i in range(len(x))]), merged) > 1e-4:
        yield "merge gives a row another answer alone than among others"


def _unobserved(phi, x, draw, tolerance):
    size = tuple(x.shape[-2:])
    mask = phi.unobserved(size)
    if mask is None:
        return
    if mask.dtype != torch.bool or mask.ndim != 3 or tuple(mask.shape[-2:]) != size:
        yield f"unobserved gives {mask.dtype} of {tuple(mask.shape)}; expected bool (1 or N, H, W)"
    elif _far(phi(torch.where(mask[:, None], draw(*x.shape), x)), phi(x)) > 1e-6:
        yield "y changes with pixels that are said to be unobserved"


_PARTS = {
    "forward": _forward,
    "rows": _rows,
    "adjoint": _adjoint,
    "gradient": _gradient,
    "lift": _lift,
    "files": _files,
    "text": _text,
    "merge": _merge,
    "unobserved": _unobserved,
}
