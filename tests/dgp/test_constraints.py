"""Constraints give legal values, leave legal ones alone, and move no further than to the nearest."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from dgp.variables.constraints import (
    CONSTRAINTS,
    Bounds,
    Clamp,
    L1Ball,
    Normalised,
    Sphere,
    TruncatedNormal,
    Unconstrained,
    rms_change,
)
from generators.latents import sample_normal

ALL = [
    Unconstrained(),
    Clamp(limit=0.7),
    Bounds(low=-0.2, high=0.9),
    Bounds(low=0.0),
    Sphere(),
    Sphere(radius="start"),
    TruncatedNormal(limit=1.2),
    TruncatedNormal(limit=2.0, scale=0.5),
    L1Ball(radius=3.0),
    Normalised(),
    Normalised(std="unbiased"),
]
SHAPES = [(5, 24), (5, 3, 8), (5, 1, 4, 4)]


def pair(shape, scale=1.5, seed=0):
    random = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape, generator=random), torch.randn(shape, generator=random)


@pytest.mark.parametrize("constraint", ALL, ids=repr)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_legal_value_stays(constraint, shape):
    value, start = pair(shape)
    once = constraint.project(value, start)
    assert once.shape == value.shape and once.dtype == value.dtype
    assert torch.allclose(constraint.project(once, start), once, atol=2e-6)


@pytest.mark.parametrize("constraint", ALL, ids=repr)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_row_among_others_is_what_it_is_alone(constraint, shape):
    value, start = (v.double() for v in pair(shape))
    together = constraint.project(value, start)
    for i in range(len(value)):
        alone = constraint.project(value[i : i + 1], start[i : i + 1])
        assert torch.allclose(alone, together[i : i + 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("constraint", ALL, ids=repr)
def test_gradients_are_those_of_the_legal_point(constraint):
    value, start = (v.double() for v in pair((3, 2, 6), 2.5))
    assert torch.autograd.gradcheck(lambda v: constraint.project(v, start), value.requires_grad_())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_spheres_are_of_each_layer_and_each_noise_map(shape):
    value, start = pair(shape)
    flat = lambda v: v.flatten(min(2, v.ndim - 1))  # noqa: E731
    theory = flat(Sphere().project(value, start)).norm(dim=-1)
    assert torch.allclose(theory, torch.full_like(theory, flat(value).shape[-1] ** 0.5))
    shipped = flat(Sphere(radius="start").project(value, start))
    assert torch.allclose(shipped.norm(dim=-1), flat(start).norm(dim=-1))
    assert torch.allclose(torch.cosine_similarity(shipped, flat(value), dim=-1), torch.ones(shipped.shape[:-1]))
    assert torch.equal(Sphere().project(torch.zeros(shape), start), torch.zeros(shape))


def nearest(value, legal):
    """The distance of the nearest point with ``legal`` >= 0, by a general solver from several starts."""
    best, random = np.inf, np.random.default_rng(0)
    for scale in (0.3, 1.0, 1.0):
        found = minimize(
            lambda x: ((x - value) ** 2).sum(),
            value * scale + 0.01 * random.standard_normal(len(value)),
            jac=lambda x: 2 * (x - value),
            constraints=[{"type": "ineq", "fun": legal}],
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        if found.success and legal(found.x).min() > -1e-6:
            best = min(best, found.fun**0.5)
    return best


@pytest.mark.parametrize("scale", [0.05, 0.4, 3.0])
def test_truncated_normal_gives_the_nearest_typical_point(scale):
    constraint = TruncatedNormal(limit=1.5)
    low, high = constraint.squared_norms(40)
    for seed in range(3):
        value = pair((1, 40), scale, seed)[0].double()
        ours = constraint.project(value, value)
        square = float(ours.square().sum())
        assert ours.abs().max() <= 1.5 + 1e-9 and low - 1e-6 <= square <= high + 1e-6
        x = value[0].numpy()
        inside = lambda v: np.concatenate(  # noqa: E731
            [1.5 - np.abs(v), [(v**2).sum() - low, high - (v**2).sum()]]
        )
        assert float((ours - value).norm()) <= nearest(x, inside) + 1e-5


def test_truncated_normal_leaves_draws_alone():
    random = torch.Generator().manual_seed(0)
    for truncation in (0.5, 0.999999):
        drawn = sample_normal(2000, 120, truncation, random)
        legal = TruncatedNormal(limit=2.0, scale=truncation).project(drawn, drawn)
        moved = rms_change(drawn, legal)
        assert (moved > 1e-6).float().mean() < 0.01 and moved.max() < 0.1 * truncation
    free = torch.randn(2000, 120, generator=random)
    assert (rms_change(free, TruncatedNormal(limit=2.0).project(free, free)) > 0.01).float().mean() > 0.95


def test_truncated_normal_of_few_entries():
    constraint = TruncatedNormal(limit=1.0)
    zero = torch.zeros(1, 64)
    assert torch.equal(constraint.project(zero, zero), zero)  # no direction, no move
    lone = zero.index_fill(1, torch.tensor([3]), 5.0)
    assert torch.equal(constraint.project(lone, zero), lone.clamp(max=1.0))  # as near to the norm as one entry gets


def test_l1_ball_gives_the_nearest_point():
    for seed in range(4):
        value, start = (v.double() for v in pair((1, 3, 5), 1.0, seed))
        ours = L1Ball(radius=2.0).project(value, start)
        assert float((ours - start).abs().sum()) <= 2 + 1e-9
        # x = u - v with u, v >= 0 makes the ball smooth.
        d = (value - start).flatten().numpy()
        split = minimize(
            lambda s, d=d: ((s[:15] - s[15:] - d) ** 2).sum(),
            np.full(30, 0.05),
            bounds=[(0, None)] * 30,
            constraints=[{"type": "ineq", "fun": lambda s: 2.0 - s.sum()}],
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        assert float((ours - value).norm()) == pytest.approx(split.fun**0.5, abs=1e-5)
        assert L1Ball(radius=2.0).anchor == "stage" and Sphere().anchor == "run"


@pytest.mark.parametrize("std", ["biased", "unbiased"])
def test_normalised_noise(std):
    noise = 3 * torch.randn(4, 1, 8, 8) + 2
    legal = Normalised(std=std).project(noise, noise)
    assert legal.mean((2, 3)).abs().max() < 1e-6
    assert torch.allclose(legal.flatten(1).std(1, correction=std == "unbiased"), torch.ones(4), atol=1e-5)
    flat = torch.ones(1, 1, 4, 4)
    assert torch.equal(Normalised(std=std).project(flat, flat), torch.zeros_like(flat))


def test_boxes_are_what_bounds_every_entry():
    assert Clamp(limit=2.0).box == (-2.0, 2.0)
    assert Bounds(low=0.0).box == (0.0, float("inf")) and Bounds(high=1.0).box == (float("-inf"), 1.0)
    assert Sphere().box is None and Unconstrained().box is None


def test_the_move_of_a_constraint():
    before, after = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    after[1] = 3.0
    assert rms_change(before, after).tolist() == [0.0, 3.0]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"kind": "bounds"}, "bound nothing"),
        ({"kind": "bounds", "low": 2.0, "high": 1.0}, "low must be below high"),
        ({"kind": "sphere", "radius": "two"}, "sqrt-d"),
        ({"kind": "l1-ball"}, "radius"),
        ({"kind": "normalised", "std": "rms"}, "unbiased"),
        ("balls", "did you mean|expected one of"),
    ],
)
def test_options_that_mean_nothing_are_refused(table, says):
    with pytest.raises(ValueError, match=says):
        CONSTRAINTS.parse(table)
