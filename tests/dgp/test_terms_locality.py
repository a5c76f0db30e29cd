"""Locality: what tuned weights change elsewhere."""

import pytest
import torch
import torch.nn.functional as F

import generators
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.losses.locality import Locality, step_from_pivot
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe
from tests.dgp.term_scene import RELEASED, give_trunk, predict, scene, untrained


@pytest.fixture(scope="module")
def rows():
    return scene()


def test_samples_lie_at_the_distance_from_the_pivot(rows):
    evaluator, everything = rows
    seen = predict(evaluator, everything)
    latents = step_from_pivot(seen, 30.0, 0.5)
    way = latents["w+"] - seen.values["w+"]
    assert torch.allclose(way.flatten(1).norm(dim=1), torch.full((10,), 30.0), rtol=1e-5)
    mapping = evaluator.renderer.prior.generator.mapping
    drawn = [torch.randn(1, 10, generator=g) for g in predict(evaluator, everything).random.generators]
    target = torch.lerp(mapping.w_avg, mapping(torch.cat(drawn), None), 0.5)[:, None] - seen.values["w+"]
    assert torch.allclose(F.cosine_similarity(way.flatten(1), target.flatten(1)), torch.ones(10), atol=1e-5)
    assert not any(latents[name].any() for name in latents if name.startswith("noise"))
    assert sum(name.startswith("noise") for name in latents) == 7


def test_locality_is_the_distance_of_two_generators(rows, monkeypatch):
    network = untrained()
    give_trunk(monkeypatch, network)
    evaluator, everything = rows
    latents = step_from_pivot(predict(evaluator, everything), 30.0, 0.5)
    first = evaluator.renderer.generate_from_latents(latents, {})
    second = evaluator.renderer.generate_from_latents(latents, everything.weights)
    mse, lpips = (first - second).square().flatten(1).mean(1), network(first, second).flatten()
    got = Locality(mse=0.2, lpips=0.3)(predict(evaluator, everything))
    assert torch.allclose(got, 0.2 * mse + 0.3 * lpips, rtol=1e-3) and (mse > 1e-4).all()
    assert torch.allclose(Locality(mse=1, lpips=0)(predict(evaluator, everything)), mse, rtol=1e-3)


def test_locality_moves_weights_and_not_the_pivot(rows):
    evaluator, everything = rows
    pivot, own = everything.values["w+"], everything.weights[RELEASED]
    try:
        pivot.requires_grad_(), own.requires_grad_()
        value = Locality(lpips=0)(predict(evaluator, everything))
        to_pivot, to_weights = torch.autograd.grad(value.sum(), (pivot, own), allow_unused=True)
    finally:
        pivot.requires_grad_(False), own.requires_grad_(False)
    assert to_pivot is None and to_weights.flatten(1).any(1).all()


def test_locality_costs_what_it_renders_and_nothing_before_release(rows, monkeypatch):
    give_trunk(monkeypatch, untrained())
    evaluator, everything = rows
    seen = predict(evaluator, everything, torch.tensor([0]), released=False)
    before = evaluator.evaluations.cost
    assert torch.equal(Locality()(seen), torch.zeros(1)) and evaluator.evaluations.cost == before
    Locality(samples=2)(predict(evaluator, everything, torch.tensor([0])))
    # each sample: the original once, the tuned forward and back, and the trunk as often
    assert evaluator.evaluations.cost - before == 2 * 2 * (1 + 3)


def test_locality_needs_w(rows, monkeypatch):
    give_trunk(monkeypatch, None)
    assert (
        "no w" in Locality().find_obstacle(generators.load("toy"))
        and Locality().find_obstacle(rows[0].renderer.prior) is None
    )


def test_tuned_with_it_a_generator_changes_less_elsewhere(rows):
    prior = rows[0].renderer.prior
    clean = prior.generator(prior.generator.sample(1, generator=torch.Generator().manual_seed(0)))[0]
    observation = observe(clean.clamp(-1, 1), "identity", prior, simulate=True)

    def change(weight):
        terms = [{"kind": "mse"}, {"kind": "locality", "weight": weight, "mse": 1, "lpips": 0, "alpha": 5}]
        stage = {"steps": 12, "release": {"lr": 0.01}, "terms": terms}
        recipe = load_recipe("latent-mse", ["searches.0.elite=1", 'space=["w"]'])
        run = Inversion(observation, prior, Recipe.model_validate(recipe.model_dump() | {"stages": [stage]}))
        run.result()
        with torch.no_grad():
            return float(Locality(mse=1, lpips=0, alpha=5, samples=8)(predict(run.evaluator, run.rows)))

    assert change(10.0) < 0.5 * change(0.0)
