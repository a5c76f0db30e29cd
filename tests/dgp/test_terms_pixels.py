"""Floors and angles of pixels against their formulas."""

import dataclasses

import pytest
import torch

from dgp.losses.pixel import L1, Cosine, Mse
from tests.dgp.term_scene import predict, scene


@pytest.fixture(scope="module")
def rows():
    return scene()


@pytest.mark.parametrize(("kind", "power"), [(Mse, 2), (L1, 1)])
def test_below_the_floor_nothing_pulls(rows, kind, power):
    seen = predict(*rows, torch.tensor([6, 7]))
    (group,) = seen.groups
    near = group.y + 0.05 * torch.tensor([1.0, 3.0])[:, None, None, None]
    near.requires_grad_()
    seen.groups[0] = dataclasses.replace(group, prediction=near)
    value = kind(floor=0.1**power)(seen)
    assert torch.allclose(value, torch.tensor([0.1**power, 0.15**power]))
    gradient = torch.autograd.grad(value.sum(), near)[0]
    assert not gradient[0].any() and gradient[1].all()


def test_cosine_of_pixels(rows):
    seen = predict(*rows, torch.tensor([0, 2, 8]))
    got = Cosine()(seen)
    for row, group in zip((0, 1, 2), sorted(seen.groups, key=lambda p: int(p.rows[0])), strict=True):
        weight = torch.ones(()) if group.weight is None else group.weight
        product = lambda a, b, w=weight: (w * a * b).sum()  # noqa: E731
        a, b = group.prediction, group.y
        expected = 1 - product(a, b) / (product(a, a) * product(b, b)).sqrt()
        assert float(got[row]) == pytest.approx(float(expected), abs=1e-5)
