"""Stages that look at coarser pictures: what they lower, what they leave alone, and where they are not used."""

import pytest
import torch

import generators
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.recipes.load import load_recipe, recipe_names
from dgp.recipes.schema import Recipe
from tests.generators.networks import style_prior

SPECS = ("sr:4", "gray", "blur:2", "inpaint:center=1/4")


def recipe(resolution=None, *, last=True, terms=("mse",), **more):
    stage = {"steps": 12, "lr": 0.05, "move": {"w": {}}, "terms": list(terms), "keep": "best"} | more
    search = {"kind": "best-of", "count": 6, "elite": 2, "terms": ["mse"], "resolution": resolution}
    stages = [stage | {"resolution": resolution}, stage | {"rows_kept": 1, "steps": 2}]
    return Recipe.model_validate(
        {
            "name": "coarse",
            "summary": "",
            "cites": (),
            "space": ("w",),
            "searches": [search],
            "stages": stages if last else stages[:1],
        }
    )


@pytest.fixture(scope="module")
def prior():
    return style_prior("stylegan2")


@pytest.fixture(scope="module")
def observations(prior):
    latents = prior.generator.sample(len(SPECS), generator=torch.Generator().manual_seed(5))
    pictures = prior.generator(latents).clamp(-1, 1).detach()
    return [observe(x, spec, prior, simulate=True, label=0) for x, spec in zip(pictures, SPECS, strict=True)]


def error_at_full_size(observation, pictures):
    return (observation.degradation(pictures) - observation.y).square().flatten(1).mean(1)


@pytest.mark.parametrize("number", range(len(SPECS)), ids=SPECS)
def test_a_coarse_stage_lowers_the_objective_at_full_size(prior, observations, number):
    observation = observations[number]
    run = Inversion(observation, prior, recipe(16, last=False))
    start = run._search()
    before = error_at_full_size(observation, run.renderer.render(start)).min()
    result = Inversion(observation, prior, recipe(16, last=False)).result()
    assert result.prior_tensor.shape == (3, 32, 32)
    assert error_at_full_size(observation, result.prior_tensor[None])[0] < before
    assert not result.notes


def test_pictures_of_every_step_and_of_the_result_have_the_priors_size(prior, observations):
    run = Inversion(observations[0], prior, recipe(16))
    sizes = {tuple(step.image.shape[1:]) for step in run}
    assert sizes == {(3, 32, 32)} == {tuple(run.result().prior_tensor.shape)}


def test_a_resolution_that_the_prior_does_not_exceed_changes_nothing(prior, observations):
    plain, wide = (Inversion(observations[1], prior, recipe(side)).result() for side in (None, 32))
    assert torch.equal(plain.prior_tensor, wide.prior_tensor) and plain.scores == wide.scores
    assert wide.recipe.stages[0].resolution is None and not wide.notes


def test_the_next_larger_picture_is_used(prior, observations):
    asked, near = (Inversion(observations[1], prior, recipe(side)) for side in (9, 16))
    assert asked.recipe.stages[0].resolution == 16 == asked.recipe.searches[0].resolution
    assert any("looks at 16 px in place of 9 px" in note for note in asked.notes) and not near.notes


def test_a_network_without_coarser_pictures_says_so():
    toy = generators.load("toy")
    observation = observe(torch.zeros(3, 32, 32), "gray", toy, label=0)
    stated = recipe(16).model_copy(update={"space": ("z",)})
    stages = tuple(s.model_copy(update={"move": {"z": next(iter(s.move.values()))}}) for s in stated.stages)
    run = Inversion(observation, toy, stated.model_copy(update={"stages": stages}))
    assert run.recipe.stages[0].resolution is None
    assert run.notes == ["this network draws its pictures at 32 px only, and every stage looks at those"]


def test_an_observation_of_detail_is_looked_at_as_it_is_and_a_note_says_so(prior, observations):
    clean = observations[0].original[0]
    detailed = observe(clean, "noise:0.1", prior, simulate=True, label=0)
    coarse, plain = (Inversion(detailed, prior, recipe(side)).result() for side in (16, None))
    assert torch.equal(coarse.prior_tensor, plain.prior_tensor)
    assert [note for note in coarse.notes if note.startswith("noise:0.1 tells of detail")]


def test_several_pictures_are_what_each_would_be_alone(prior, observations):
    """Among them one that is looked at as it is, so that the rows of a step have two sizes."""
    clean = observations[0].original[0]
    seen = [*observations, observe(clean, "inpaint:pixels=0.5", prior, simulate=True, label=0)]
    terms = ["mse", {"kind": "features", "drop": 1, "weight": 0.1}]
    together = Inversion(seen, prior, recipe(16, terms=terms), seed=3).result()
    for observation, result in zip(seen, together, strict=True):
        alone = Inversion(observation, prior, recipe(16, terms=terms), seed=3).result()
        assert torch.allclose(alone.prior_tensor, result.prior_tensor, atol=1e-3)


def test_released_layers_and_wider_latents_move_at_a_coarse_stage(prior, observations):
    stage = {"move": {"w+": {}, "noise[*]": {}}, "release": {"groups": "whole", "lr": 1e-3}, "convert": "w+"}
    variables = {"noise[*]": {"chart": {"kind": "noise", "start": "stored"}}}
    made = recipe(16, last=False, **stage).model_dump() | {"variables": variables}
    result = Inversion(observations[0], prior, Recipe.model_validate(made)).result()
    changed = {name for name, value in result.weights.items() if not torch.equal(value[0], stored(prior, name))}
    assert {"synthesis.b16.conv1.weight", "synthesis.b32.conv1.weight", "synthesis.b32.torgb.bias"} <= changed


def stored(prior, name):
    return dict(prior.generator.named_parameters())[name].detach()


def test_the_noise_floor_is_that_of_the_coarse_prediction(prior, observations):
    """y of a reduction keeps its size and its noise, so that a coarse stage stops where a full one would."""
    clean = observations[0].original[0]
    noisy = observe(clean, "sr:4+noise:0.4", prior, simulate=True, label=0)
    run = Inversion(noisy, prior, recipe(16, last=False, steps=40, stop=[{"kind": "noise-floor"}]))
    assert len(list(run)) < 40


def test_more_rows_fit_into_memory_at_a_time(prior, observations):
    run = Inversion(observations[0], prior, recipe(16))
    (coarse, _), *_ = run.evaluator.at(16).parts(torch.zeros(2, dtype=torch.long))
    assert coarse.rows_at_once == 4 * run.renderer.rows_at_once


def test_a_run_continues_from_the_result_of_a_coarse_one(prior, observations):
    first = Inversion(observations[0], prior, recipe(16, last=False)).result()
    still = recipe(None, last=False, steps=1, lr=0.0)
    again = Inversion(observations[0], prior, still, start=first)
    torch.testing.assert_close(next(iter(again)).image[0], first.prior_tensor, atol=1e-4, rtol=0)


def test_published_recipes_look_at_the_priors_own_size():
    ours = {"default", "default-w", "default-bank", "typical", "aligned", "all-at-once-mse", "latent-mse"}
    recipes = {name: load_recipe(name) for name in recipe_names()}
    users = {name for name, one in recipes.items() if any(stage.resolution for stage in one.stages)}
    assert users == ours
    for name in ours:
        assert recipes[name].stages[-1].resolution is None, "what comes out is right at full size"
