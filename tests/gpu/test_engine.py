"""Runs on the device: rows, released weights, searches, solvers and every shipped recipe."""

import json

import pytest
import torch

import dgp
import generators
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.recipes.load import load_recipe, recipe_names
from dgp.recipes.schema import Recipe

from ..dgp.test_published_recipes import OF_W, seen
from ..dgp.test_row_rule import recipe as of_rows
from ..families import FAMILIES, family
from .conftest import off_by

BASE = {"name": "t", "summary": "", "cites": ()}
MSE = [{"kind": "mse"}]
LATENTS = {"steps": 3, "lr": 0.02, "move": {"z": {}}, "terms": MSE}


def made(**fields) -> Recipe:
    return Recipe.model_validate(BASE | {"stages": [LATENTS]} | fields)


def both(recipe, device, where="biggan", degradation="gray", **options):
    """The answers of the CPU and of the device to the same picture."""
    prior = family(where)
    there = Inversion(seen(prior, degradation), prior, recipe, device=device, **options).result()
    return Inversion(seen(prior, degradation), prior, recipe, **options).result(), there


def agree(cpu, there, tolerance=1e-3):
    """The same traces, but for rounding."""
    assert len(cpu.trace) == len(there.trace)
    for theirs, ours in zip(cpu.trace, there.trace, strict=True):
        assert ours["total"] == pytest.approx(theirs["total"], rel=tolerance), ours["step"]
    assert there.scores == pytest.approx(cpu.scores, rel=tolerance)
    assert off_by(there.tensors, cpu.tensors) < 10 * tolerance


SEARCHES = {
    "best-of": {"kind": "best-of", "count": 20, "elite": 2, "terms": MSE},
    "bank": {"kind": "bank", "count": 64, "nearest": 4, "children": 4, "rounds": 2, "elite": 2, "terms": MSE},
    "cma": {"kind": "evolution", "optimizer": "diagonal-cma", "population": 6, "generations": 2, "terms": MSE},
    "basins": {
        "kind": "evolution",
        "population": 4,
        "generations": 2,
        "inner": {"steps": 2, "move": {"z": 0.01}},
        "terms": MSE,
    },
}


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_find_the_same_starts(name, device):
    agree(*both(made(searches=[SEARCHES[name]]), device))


def test_the_mean_of_w_is_the_same_start(device):
    stages = [LATENTS | {"move": {"w": {}}}]
    agree(*both(made(space=["w"], searches=[{"kind": "mean"}], stages=stages), device, "stylegan2"))


def test_unknown_parameters_are_searched_and_moved(device):
    searches = [SEARCHES["best-of"], {"kind": "unknowns", "population": 4, "generations": 2, "terms": MSE}]
    recipe = made(searches=searches, stages=[LATENTS | {"move": {"z": {}, "phi[sigma]": {"lr": 0.01}}}])
    cpu, there = both(recipe, device, degradation="blur:sigma=auto")
    assert there.found["sigma"] == pytest.approx(cpu.found["sigma"], rel=1e-2)


@pytest.mark.parametrize("where", ["biggan", "stylegan2"])
def test_released_weights_move_as_on_the_cpu(where, device):
    release = {"groups": "all", "lr": 1e-4, "optimizer": "sgd"}
    stage = LATENTS | {"release": release, "terms": [{"kind": "features", "drop": 1}, *MSE], "keep": "best"}
    cpu, there = both(made(searches=[SEARCHES["best-of"]], stages=[stage]), device, where)
    agree(cpu, there)
    assert there.weights.keys() == cpu.weights.keys() and not any(w.is_cuda for w in there.weights.values())
    assert all(off_by(there.weights[name], weight) < 1e-3 for name, weight in cpu.weights.items() if weight.norm() > 1)


@pytest.mark.parametrize("optimizer", ["adam", "adamax", "sgd", "normalized"])
def test_optimisers(optimizer, device):
    stage = LATENTS | {"move": {"z": {"optimizer": optimizer}}, "keep": "best"}
    agree(*both(made(searches=[SEARCHES["best-of"]], stages=[stage, stage | {"steps": 2}]), device), 1e-2)


@pytest.mark.parametrize("constraint", ["sphere", "truncated-normal", "clamp"])
def test_polishing_by_l_bfgs(constraint, device):
    stage = LATENTS | {"solver": "l-bfgs", "steps": 8, "lr": 0.05}
    variables = {"z": {"constraint": constraint}}
    recipe = made(searches=[SEARCHES["best-of"]], stages=[stage], variables=variables)
    cpu, there = both(recipe, device, num_solutions=2)
    # Rounding decides its line search: an H200 ended 11 % off.
    assert there.scores == pytest.approx(cpu.scores, rel=0.25) and there.scores[0] < max(there.trace[0]["total"])


def test_rows_stop_each_for_itself(device):
    stops = [{"kind": "plateau", "patience": 2, "improvement": 0.05}, {"kind": "noise-floor"}]
    recipe = made(searches=[SEARCHES["best-of"]], stages=[LATENTS | {"steps": 8, "stop": stops, "keep": "best"}])
    cpu, there = both(recipe, device, degradation="gray+noise:0.05", num_solutions=2)
    assert [line.get("stopped") for line in there.trace] == [line.get("stopped") for line in cpu.trace]


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_pictures_together_are_what_they_are_alone(norm, device):
    """Other batches take other algorithms: Adam's first steps make much of what is next to nothing."""
    prior = family("biggan").to(device)
    observations = [seen(family("biggan"), text) for text in ("gray", "sr:2")]
    together = Inversion(observations, prior, of_rows(norm), device=device).result()
    for observation, ours in zip(observations, together, strict=True):
        alone = Inversion(observation, prior, of_rows(norm), device=device).result()
        assert ours.trace[0]["total"] == pytest.approx(alone.trace[0]["total"], rel=1e-3)
        assert ours.scores == pytest.approx(alone.scores, rel=2e-2)


def test_goes_on_from_an_earlier_answer(device, tmp_path):
    prior, recipe = family("biggan"), made(searches=[SEARCHES["best-of"]])
    first = Inversion(seen(prior), prior, recipe, device=device).result()
    first.save(tmp_path / "run")
    for start in (first, tmp_path / "run"):
        again = Inversion(seen(prior), prior, recipe, device=device, start=start).result()
        assert again.trace[0]["total"][0] == pytest.approx(first.scores[0], rel=1e-3)


SERVED = (
    [(name, "biggan") for name in recipe_names() if name not in OF_W]
    + [(name, "stylegan2 with classes") for name in recipe_names()]
    + [(name, where) for name in ("default", "pulse-repaired") for where in FAMILIES]
    + [("rsr", "stylegan1"), ("rsr", "stylegan3"), ("dgp-colorization", "biggan-deep")]
)


@pytest.mark.parametrize(("name", "where"), list(dict.fromkeys(SERVED)))
def test_every_recipe(name, where, device, tmp_path):
    """Two iterations a stage end with finite scores and leave a result."""
    prior, settings = family(where), ["stages.*.steps=2"]
    recipe = load_recipe(name, settings)
    if any(set(term.networks) - {"discriminator"} for stage in recipe.stages for term in stage.terms):
        recipe = load_recipe(name, ["trunk=discriminator", *settings])
    recipe = recipe.model_copy(update={"searches": tuple(search.scale(0.02) for search in recipe.searches)})
    result = Inversion(seen(prior, "gray"), prior, recipe, device=device).result()
    assert torch.tensor(result.scores).isfinite().all()
    assert result.tensor.isfinite().all() and result.tensor.std() > 0
    result.save(tmp_path)
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "done"
    if name == "latent-mse":
        cpu = Inversion(seen(prior, "gray"), prior, recipe).result()
        assert result.trace[0]["total"] == pytest.approx(cpu.trace[0]["total"], rel=1e-3)


@pytest.mark.parametrize("name", ["biggan-cifar10", "stylegan2-cifar10"])
def test_the_bundled_priors_restore_as_well(name, device):
    """Few starts and twenty steps a stage on a picture of the prior's own: within 1.5 dB and a quarter of the
    objective of the CPU."""
    prior = generators.load(name)
    with torch.no_grad():
        picture = prior.generator(prior.generator.sample(1, generator=torch.Generator().manual_seed(3)))[0].clamp(-1, 1)
    fewer = ("stages.*.steps=20", "searches.0.count=48", "searches.0.elite=3")
    settings = {"overrides": fewer, "simulate": True, "recipe": "latent-mse"}
    cpu, there = (dgp.restore(picture, "sr:2", prior, device=where, **settings) for where in ("cpu", device))
    assert there.metrics["psnr"]["value"] > cpu.metrics["psnr"]["value"] - 1.5
    assert there.scores[0] < 1.25 * cpu.scores[0]
    assert there.device == device and there.record()["device"] == device


def test_what_is_found_out_about_a_picture(device):
    """With "auto" the damage is looked for; the prior may be on the device already."""
    prior = family("biggan").to(device)
    picture = seen(family("biggan"), "gray").picture
    observation = observe(picture, "gray", prior)
    assert observation.y.device.type == "cpu"
    result = Inversion(observation, prior, made(searches=[SEARCHES["best-of"]]), device=device).result()
    assert result.tensor.isfinite().all()
