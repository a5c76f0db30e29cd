"""Every term gives a row the same value alone and among others, and its gradient to that row alone."""

import pytest
import torch

from dgp.losses.features import CosineFeatures, DecoupledFeatures, Features
from dgp.losses.latent import Geocross, LayerSpread, NegativeLogLikelihood, NoiseRegulariser
from dgp.losses.locality import Locality
from dgp.losses.noise_likelihood import NoiseLikelihood
from dgp.losses.perceptual import Lpips, LpipsPyramid, Perceptual, PerceptualPyramid
from dgp.losses.pixel import L1, Cosine, Mse
from dgp.losses.terms import TERMS
from tests.dgp.term_scene import RELEASED, give_trunk, predict, scene, untrained

ALL = [
    Mse(floor=0.01),
    L1(floor=0.01),
    Cosine(),
    NoiseLikelihood(),
    Features(drop=1, scales=3),
    CosineFeatures(last=2),
    DecoupledFeatures(angle=0.5),
    Lpips(trunk="squeeze"),
    Lpips(trunk="squeeze", size=20),
    Lpips(trunk="discriminator"),
    Lpips(trunk="discriminator", size=8),
    Perceptual(),
    Perceptual(size=20),
    LpipsPyramid(trunk="squeeze"),
    PerceptualPyramid(levels=2, above=4),
    LpipsPyramid(trunk="discriminator", above=2, levels=3),
    NegativeLogLikelihood(on="w+"),
    LayerSpread(),
    Geocross(),
    Geocross(of="value", norms="any"),
    NoiseRegulariser(),
    Locality(trunk="squeeze", samples=2),
    Locality(trunk="discriminator", alpha=3),
]


@pytest.fixture(scope="module")
def rows():
    return scene()


@pytest.fixture(scope="module")
def network():
    return untrained()


@pytest.fixture(autouse=True)
def trunk(monkeypatch, network):
    give_trunk(monkeypatch, network)


def test_all_kinds_are_here():
    ours = {name for name, term in TERMS.classes().items() if term.__module__.startswith("dgp.")}
    assert {term.kind for term in ALL} == ours - {
        "class-nll",
        "uncovered",
        "unknowns",
    }  # tests of their own: classify/test_classifier.py, test_spatial_transform.py, test_blind.py


@pytest.mark.parametrize("term", ALL, ids=repr)
def test_a_row_alone_and_among_others(rows, term):
    evaluator, everything = rows
    order = torch.tensor([9, 2, 5, 0, 7, 4])
    with torch.no_grad():
        among = term(predict(evaluator, everything, order))
        assert among.shape == (6,) and among.isfinite().all()
        alone = torch.cat([term(predict(evaluator, everything, order[i : i + 1])) for i in range(6)])
    assert torch.allclose(among, alone, rtol=1e-4, atol=1e-5), (among, alone)


@pytest.mark.parametrize("term", ALL, ids=repr)
def test_the_gradient_of_a_row_reaches_that_row_alone(rows, term):
    evaluator, everything = rows
    leaves = {**everything.values, RELEASED: everything.weights[RELEASED]}
    for leaf in leaves.values():
        leaf.requires_grad_()
    try:
        value = term(predict(evaluator, everything))
        found = torch.autograd.grad(value[4], list(leaves.values()), allow_unused=True)
    finally:
        for leaf in leaves.values():
            leaf.requires_grad_(False)
    moves = [g for g in found if g is not None]
    assert all(g.isfinite().all() for g in moves)
    assert not any(g[torch.arange(10) != 4].any() for g in moves) and any(g[4].any() for g in moves)


@pytest.mark.parametrize("term", [t for t in ALL if t.stochastic], ids=repr)
def test_what_is_drawn_belongs_to_the_occasion(rows, term):
    evaluator, everything = rows
    hole = torch.tensor([4])
    with torch.no_grad():
        first, again, later = (
            term(predict(evaluator, everything, hole, occasion)) for occasion in ("step 0", "step 0", "step 1")
        )
    assert torch.equal(first, again) and not torch.equal(first, later)


@pytest.mark.parametrize("term", ALL, ids=repr)
def test_terms_survive_their_own_text(term):
    assert TERMS.parse(term.model_dump(mode="json")) == term
