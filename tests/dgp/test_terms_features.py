"""Feature distances against their formulas."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from dgp.losses.features import CosineFeatures, DecoupledFeatures, Features
from tests.dgp.term_scene import predict, scene

ROWS, PICTURES = torch.tensor([0, 2, 5, 6]), torch.tensor([0, 1, 2, 3])


@pytest.fixture(scope="module")
def rows():
    return scene()


@pytest.fixture(scope="module")
def pairs(rows):
    evaluator, everything = rows
    judge = evaluator.renderer.prior.discriminator
    return list(
        zip(
            judge.features(predict(evaluator, everything, ROWS).lifted),
            judge.features(evaluator.batch.lifted[PICTURES]),
            strict=True,
        )
    )


def test_scales_are_a_mean_over_pooled_pictures(rows):
    evaluator, everything = rows
    seen, judge = predict(evaluator, everything, ROWS), evaluator.renderer.prior.discriminator
    total = 0
    for scale in range(3):
        shown = [
            F.interpolate(F.avg_pool2d(p, 2**scale), size=(32, 32), mode="bilinear", align_corners=False)
            if scale
            else p
            for p in (seen.lifted, evaluator.batch.lifted[PICTURES])
        ]
        for a, b in list(zip(*map(judge.features, shown), strict=True))[1:]:
            total = total + (a - b).abs().flatten(1).mean(1)
    got = Features(drop=1, rectify_last=False, scales=3)(seen)
    assert torch.allclose(got, total / 3, rtol=1e-4)


def test_scales_are_counted_and_their_targets_seen_once(rows, monkeypatch):
    evaluator, everything = rows
    evaluator.batch._cache.clear()
    assert Features(scales=3).networks == ("discriminator", "discriminator at 1/2", "discriminator at 1/4")
    looks, judge = [], evaluator.renderer.prior.discriminator
    monkeypatch.setattr(judge, "features", lambda x, was=judge.features: looks.append(len(x)) or was(x))
    for _ in range(2):
        Features(scales=2)(predict(evaluator, everything, ROWS))
    assert looks == [4, 5, 5, 4, 4, 4] and len(evaluator.batch.observations) == 5


def test_cosine_of_features(rows, pairs):
    expected = sum((1 - F.cosine_similarity(a, b, dim=1)).flatten(1).mean(1) if a.ndim == 4 else
                   1 - F.cosine_similarity(a, b, dim=1) for a, b in pairs[-3:])  # fmt: skip
    got = CosineFeatures(last=3, rectify_last=False)(predict(*rows, ROWS))
    assert torch.allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_decoupled_features(rows, pairs):
    a, b = (found.relu().flatten(2) for found in pairs[-2])
    norms = (a.norm(dim=1) - b.norm(dim=1)).abs().mean(1) / b.norm(dim=1).mean(1)
    zero = (a.norm(dim=1) == 0) & (b.norm(dim=1) == 0)
    turned = torch.where(zero, 0, 1 - F.cosine_similarity(a, b, dim=1)).mean(1)
    maps = DecoupledFeatures(norm=2, angle=3, last=2)(predict(*rows, ROWS)) - DecoupledFeatures(
        norm=2, angle=3, last=1
    )(predict(*rows, ROWS))
    assert torch.allclose(maps, 2 * norms + 3 * turned, rtol=1e-3)


def test_lengths_and_directions_are_apart():
    term = DecoupledFeatures()
    b = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(term.distance(1.5 * b, b), torch.full((2,), 0.5), atol=1e-6)
    assert torch.allclose(term.distance(-b, b), torch.full((2,), 2.0))
    assert CosineFeatures().distance(7 * b, b).abs().max() < 1e-6


@pytest.mark.parametrize("kind", [Features, CosineFeatures, DecoupledFeatures])
@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (2, 6)])
def test_gradients_by_finite_differences(kind, shape):
    a, b = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: kind().distance(x, b), a.requires_grad_())


@pytest.mark.parametrize("kind", [CosineFeatures, DecoupledFeatures])
def test_gradients_are_finite_at_zero(kind):
    x = torch.zeros(1, 4, 3, 3, requires_grad=True)
    for other in (torch.zeros_like(x), torch.ones_like(x)):
        value = kind().distance(x, other)
        assert torch.autograd.grad(value.sum(), x)[0].isfinite().all() and value.isfinite().all()


def test_what_the_prior_cannot_serve(rows):
    prior = rows[0].renderer.prior
    assert Features().find_obstacle(prior) is None and Features(scales=6).find_obstacle(prior) is None
    assert "at most 6" in Features(scales=7).find_obstacle(prior)
    assert "use lpips" in CosineFeatures().find_obstacle(dataclasses.replace(prior, discriminator=None))
