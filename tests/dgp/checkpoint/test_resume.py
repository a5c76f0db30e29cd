"""A run that goes on from any of its safe points ends with the same bits as the run that was left alone."""

import dataclasses

import pytest
import torch

import generators
from dgp.api import observe
from dgp.checkpoint.checkpoint import Checkpoint
from dgp.errors import CheckpointError
from dgp.inversion import Inversion
from dgp.optim import lbfgs
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe

from ...families import family

MSE = {"kind": "mse"}
FEATURES = [{"kind": "features", "drop": 1}, MSE]
BEST_OF = {"kind": "best-of", "count": 9, "elite": 3, "terms": [MSE]}
RELEASE = {"groups": 2, "lr": 1e-3, "ratio": 0.5}
STEP = {"steps": 3, "lr": 0.05, "move": {"z": {}}, "terms": FEATURES}
EVOLVE = {"kind": "evolution", "population": 4, "generations": 2, "elite": 3, "terms": [MSE]}

RECIPES = {
    "latents": {"searches": [BEST_OF], "stages": [STEP, STEP | {"rows_kept": 1, "keep": "best"}]},
    "released": {
        "searches": [BEST_OF],
        "stages": [
            STEP | {"move": {"z": {"optimizer": "adamax"}, "class": {"lr": 0.01}}},
            STEP | {"release": RELEASE | {"moments": "warm"}, "rows_kept": 2, "norm": "instance", "keep": "best"},
            STEP | {"release": RELEASE | {"groups": "all"}, "rows_kept": 1, "move": {"z": {"state": "reset"}}},
        ],
    },
    "evolution": {
        "searches": [
            EVOLVE | {"optimizer": "cma", "inner": {"steps": 2}},
            {"kind": "bank", "count": 16, "nearest": 4, "terms": [MSE]},
        ],
        "stages": [STEP | {"rows_kept": 1}],
    },
    "unguided evolution": {"searches": [EVOLVE | {"optimizer": "two-points-de"}], "stages": [STEP]},
    "l-bfgs": {
        "variables": {"z": {"constraint": {"kind": "l1-ball", "radius": 2.0}}},
        "searches": [BEST_OF],
        "stages": [
            STEP | {"solver": "l-bfgs", "steps": 6},
            STEP | {"release": RELEASE, "solver": "l-bfgs", "lr": 0.01},
        ],
    },
    "stopped and random": {
        "searches": [BEST_OF],
        "stages": [
            STEP | {"steps": 6, "stop": [{"kind": "plateau", "patience": 2, "improvement": 0.2}]},
            STEP | {"predict": "sampled", "move": {"z": {"optimizer": "sgd"}}, "keep": "best"},
        ],
    },
}


def made(name):
    return Recipe.model_validate({"name": name, "summary": "", "cites": (), "variables": {}} | RECIPES[name])


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observation(toy):
    picture = toy.generator(
        toy.generator.sample(1, classes=torch.tensor([1]), generator=torch.Generator().manual_seed(7))
    )
    return observe(picture[0].detach(), "sr:2+noise:0.05", toy, simulate=True)


def run(observation, prior, recipe, **how):
    """The result of a whole run, and its checkpoint at every safe point."""
    inversion, found = Inversion(observation, prior, recipe, **how), []
    inversion.on_safe_point = lambda: found.append(inversion.checkpoint())
    return inversion.result(), found


def assert_same(one, other):
    for name in ("tensors", "prior_tensors"):
        assert torch.equal(getattr(one, name), getattr(other, name))
    for name in ("latents", "variables", "weights"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine), name
    for name in ("scores", "trace", "evaluations", "start_classes", "metrics", "fidelity"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("name", RECIPES)
def test_every_safe_point_leads_to_the_same_bits(name, observation, toy, tmp_path):
    how = {"seed": 3, "num_solutions": 2}
    alone, points = run(observation, toy, made(name), **how)
    assert len(points) >= 6
    for number in range(0, len(points), 1 + len(points) // 9):
        points[number].save(tmp_path / "point")
        again = Inversion.resume(Checkpoint.load(tmp_path / "point"), observation, toy, made(name), **how)
        assert_same(again.result(), alone)
        assert again.result().timing["resumes"] == 1


@pytest.mark.parametrize(
    ("name", "where"),
    [("default", "biggan"), ("pulse", "stylegan2"), ("ilo", "stylegan2"), ("pti", "stylegan2"), ("rsr", "stylegan2")]
    + [
        ("mganprior", "stylegan2"),
        ("basin-cma", "biggan"),
        ("nevergrad-hybrid", "stylegan2"),
        ("default-w", "stylegan2"),
    ],
)
def test_recipes_that_are_bundled_go_on_from_the_midst(name, where):
    prior = family(where)
    recipe = load_recipe(name, ["trunk=discriminator", "stages.*.steps=2"])
    recipe = recipe.model_copy(update={"searches": tuple(search.scale(0.02) for search in recipe.searches)})
    g = prior.generator
    picture = g(g.sample(1, generator=torch.Generator().manual_seed(3)))[0].detach().clamp(-1, 1)
    observation = observe(picture, "sr:4", prior, simulate=True)
    alone, points = run(observation, prior, recipe)
    for number in {len(points) // 4, len(points) // 2, len(points) - 2}:
        assert_same(Inversion.resume(points[number], observation, prior, recipe).result(), alone)


def test_a_run_is_interrupted_again_and_again(observation, toy):
    alone, points = run(observation, toy, made("released"))

    class Stop(Exception):
        pass

    inversion, visited = Inversion(observation, toy, made("released")), 0
    for _ in range(3 * len(points)):
        left = [2]

        def count(inversion=inversion, left=left):
            left[0] -= 1
            if not left[0]:
                raise Stop

        inversion.on_safe_point = count
        try:
            result = inversion.result()
            break
        except Stop:
            visited += 1
            inversion = Inversion.resume(inversion.checkpoint(), observation, toy, made("released"))
    assert visited >= len(points) // 2 - 1
    assert_same(result, alone)


def test_several_pictures_go_on_together(observation, toy):
    recipe, pair = made("released"), [observation, dataclasses.replace(observation, key="another", label=2)]
    alone, points = run(pair, toy, recipe)
    for one, other in zip(Inversion.resume(points[-3], pair, toy, recipe).result(), alone, strict=True):
        assert_same(one, other)


def test_steps_are_counted_on(observation, toy):
    recipe = made("latents")
    indices = [step.index for step in Inversion(observation, toy, recipe)]
    inversion = Inversion(observation, toy, recipe)
    steps = iter(inversion)
    for _ in range(4):
        next(steps)
    again = Inversion.resume(inversion.checkpoint(), observation, toy, recipe)
    assert [step.index for step in again] == indices[4:]


def test_a_checkpoint_serves_twice(observation, toy):
    recipe = made("latents")
    alone, points = run(observation, toy, recipe)
    point = points[len(points) // 2]
    assert_same(Inversion.resume(point, observation, toy, recipe).result(), alone)
    assert_same(Inversion.resume(point, observation, toy, recipe).result(), alone)


def test_long_lbfgs_begins_its_stage_again(observation, toy, monkeypatch):
    recipe = made("l-bfgs")
    alone, points = run(observation, toy, recipe)
    monkeypatch.setattr(lbfgs, "HISTORY_BYTES", 1)
    _, points = run(observation, toy, recipe)
    positions = [(point.state["position"]["number"], point.state["position"]["iteration"]) for point in points]
    assert {iteration for _, iteration in positions} == {0}
    assert_same(Inversion.resume(points[-2], observation, toy, recipe).result(), alone)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 4}, "seed: 3 there, 4 now"),
        ({"num_solutions": 2}, "number of solutions: 1 there, 2 now"),
        ({"recipe": made("l-bfgs")}, "recipe: "),
        ({"observation": {"label": 0}}, "class: not given there, 0 now"),
    ],
)
def test_another_run_is_refused(change, words, observation, toy):
    _, points = run(observation, toy, made("latents"), seed=3)
    other = dataclasses.replace(observation, **change.pop("observation", {}))
    how = {"recipe": made("latents"), "seed": 3} | change
    with pytest.raises(CheckpointError, match=words):
        Inversion.resume(points[2], other, toy, **how)
