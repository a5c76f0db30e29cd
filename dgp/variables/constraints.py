"""Constraints: the set in which a variable stays, as a projection after each step.

Projections are differentiable: L-BFGS takes the objective at the projected point and follows its gradient through here.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from dgp.registry import Options, Registry

CONSTRAINTS = Registry(
    "constraint",
    "dgp.constraints",
    dict.fromkeys(
        ("none", "clamp", "bounds", "sphere", "truncated-normal", "l1-ball", "normalised"), "dgp.variables.constraints"
    ),
)


class Constraint(Options):
    """A set of admissible values.

    Attributes:
        anchor: the time whose value ``project`` gets as ``start``: the beginning of the "run" or of the "stage".
    """

    kind: str
    anchor: ClassVar[Literal["run", "stage"]] = "run"

    @property
    def box(self) -> tuple[float, float] | None:
        """(low, high) where the set is these bounds on every entry and nothing else, so that solvers can keep them."""
        return None

    def project(self, value: Tensor, start: Tensor) -> Tensor:
        """Return the nearest admissible value, each row by itself.

        Args:
            value: the variable, (N, ...).
            start: its value at the anchor, (N, ...).
        """
        raise NotImplementedError


def rms_change(before: Tensor, after: Tensor) -> Tensor:
    """Return the root mean square of ``after - before`` over the entries of each row: (N, ...) twice -> (N,)."""
    return (after - before).flatten(1).square().mean(1).sqrt()


def vector_axes(value: Tensor) -> tuple[int, ...]:
    """Return the axes that make up one vector: all after the second; of (N, d) the second itself.

    The second axis counts layers, codes or channels: (N, d) and (N, L, d) hold vectors of d entries, noise maps
    (N, 1, s, s) vectors of s x s.
    """
    return tuple(range(min(2, value.ndim - 1), value.ndim))


@CONSTRAINTS.register("none")
class Unconstrained(Constraint):
    """All values."""

    kind: str = "none"

    def project(self, value, start):
        return value


@CONSTRAINTS.register("clamp")
class Clamp(Constraint):
    """Every entry within ``[-limit, limit]``."""

    kind: str = "clamp"
    limit: PositiveFloat = 2.0

    @property
    def box(self):
        return -self.limit, self.limit

    def project(self, value, start):
        return value.clamp(-self.limit, self.limit)


@CONSTRAINTS.register("bounds")
class Bounds(Constraint):
    """Every entry within ``[low, high]``, the range of a physical quantity. One of the two may be absent."""

    kind: str = "bounds"
    low: float | None = None
    high: float | None = None

    def model_post_init(self, _):
        if self.low is None and self.high is None:
            raise ValueError("bounds without low and high bound nothing; give one of them, or use 'none'")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"got low={self.low:g} and high={self.high:g}; low must be below high")

    @property
    def box(self):
        low = -math.inf if self.low is None else self.low
        return low, math.inf if self.high is None else self.high

    def project(self, value, start):
        return value.clamp(self.low, self.high)


@CONSTRAINTS.register("sphere")
class Sphere(Constraint):
    """v <- r v / ||v|| for every vector of the variable (``vector_axes``; Menon et al. 2020, section 3.3).

    A vector of zeros has no direction and stays.

    radius: "sqrt-d": r = sqrt(d), about which the norm of a standard normal vector of d entries concentrates; "start":
        the norm at the start of the run, as in PULSE's code, with its 1e-9 under both square roots.
    """

    kind: str = "sphere"
    radius: Literal["sqrt-d", "start"] = "sqrt-d"

    def project(self, value, start):
        axes = vector_axes(value)
        norm = lambda v: v.square().sum(axes, keepdim=True).add(1e-9).sqrt()  # noqa: E731
        radius = norm(start) if self.radius == "start" else math.sqrt(math.prod(value.shape[axes[0] :]))
        return value / norm(value) * radius


@CONSTRAINTS.register("truncated-normal")
class TruncatedNormal(Constraint):
    """The typical set of a truncated normal: entries within ``[-limit, limit]`` and vectors of usual norm.

    The squared norm of every vector (``vector_axes``) is within three standard deviations of the mean over draws. Draws
    stay as they are; a variable that collapses to the mean or gathers at the limits is brought back. The projection is
    clamp(c v, -limit, limit) with the c > 0 that gives the nearest admissible norm.

    scale: factor on draws after their truncation (Brock et al. 2019, section 3.1: limit 2, the truncation as scale).
    """

    kind: str = "truncated-normal"
    limit: PositiveFloat = 2.0
    scale: PositiveFloat = 1.0

    def squared_norms(self, d: int) -> tuple[float, float]:
        """Return the least and the greatest admissible squared norm of d entries, before they are scaled."""
        limit = self.limit
        # 2 p(limit) / P(|x| < limit): by parts, E x^k = (k - 1) E x^(k-2) - limit^(k-1) edge.
        edge = 2 * math.exp(-(limit**2) / 2) / math.sqrt(2 * math.pi) / math.erf(limit / math.sqrt(2))
        second = 1 - limit * edge
        fourth = 3 * second - limit**3 * edge
        spread = 3 * math.sqrt(d * (fourth - second**2))
        return max(d * second - spread, 0.0), min(d * second + spread, d * limit**2)

    def project(self, value, start):
        axis = vector_axes(value)[0]
        vectors = (value / self.scale).flatten(axis)
        clamped = vectors.clamp(-self.limit, self.limit)
        square = clamped.square().sum(-1, keepdim=True)
        low, high = self.squared_norms(vectors.shape[-1])
        typical = (square >= low) & (square <= high)
        projected = torch.where(typical, clamped, _clamp_to_norm(vectors, square.clamp(low, high), self.limit))
        return (projected * self.scale).reshape(value.shape)


def _clamp_to_norm(vectors: Tensor, square: Tensor, limit: float) -> Tensor:
    """Return ``(c * vectors).clamp(-limit, limit)`` with the c > 0 that gives the squared norms ``square`` (..., 1)."""
    tiny = 1e-30
    size = vectors.abs().sort(-1, descending=True).values
    # With the k largest entries at the limit, c^2 * (squares of the rest) = square - k * limit^2.
    rest = size.square().flip(-1).cumsum(-1).flip(-1)
    k = torch.arange(size.shape[-1], device=size.device, dtype=size.dtype)
    too_few = (square - k * limit**2) * size.square() > limit**2 * rest
    count = too_few.sum(-1, keepdim=True).clamp_max(size.shape[-1] - 1)
    factor = ((square - count * limit**2).clamp_min(tiny) / rest.gather(-1, count).clamp_min(tiny)).sqrt()
    return (vectors * factor).clamp(-limit, limit)


@CONSTRAINTS.register("l1-ball")
class L1Ball(Constraint):
    """||v - v_0||_1 <= radius over all entries of a row, v_0 its value when the stage began (Daras et al. 2021).

    The projection is that of Duchi et al. 2008, figure 1.
    """

    kind: str = "l1-ball"
    radius: PositiveFloat
    anchor: ClassVar = "stage"

    def project(self, value, start):
        change = (value - start).flatten(1)
        size = change.abs()
        largest = size.sort(1, descending=True).values
        excess = largest.cumsum(1) - self.radius
        rank = torch.arange(1, size.shape[1] + 1, device=size.device)
        count = (largest * rank > excess).sum(1, keepdim=True)
        threshold = excess.gather(1, count - 1) / count
        shrunk = change.sign() * (size - threshold).clamp_min(0)
        inside = size.sum(1, keepdim=True) <= self.radius
        return torch.where(inside.view(-1, *[1] * (value.ndim - 1)), value, start + shrunk.view(value.shape))


@CONSTRAINTS.register("normalised")
class Normalised(Constraint):
    """n <- (n - mean n) / std n for each noise map (``vector_axes``; Karras et al. 2020, appendix D).

    std: "biased", as in NVIDIA's projector, or "unbiased", as in rosinality's.
    """

    kind: str = "normalised"
    std: Literal["biased", "unbiased"] = "biased"

    def project(self, value, start):
        axes = vector_axes(value)
        centred = value - value.mean(axes, keepdim=True)
        freedom = math.prod(value.shape[axes[0] :]) - (self.std == "unbiased")
        variance = centred.square().sum(axes, keepdim=True) / freedom
        return centred * variance.clamp_min(torch.finfo(value.dtype).tiny).rsqrt()
