"""Published methods on small networks of every family: they run, lower what they lower, or name what to use instead."""

import dataclasses
import re
from dataclasses import replace

import pytest
import torch

from dgp.api import observe
from dgp.engine.release import plan_release
from dgp.errors import RecipeError
from dgp.inversion import Inversion
from dgp.planning.adapt import adapt_recipe
from dgp.planning.budget import cost
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Accept

from ..families import FAMILIES, family

OF_W = ("pulse", "stylegan2-projector", "rsr", "pti", "ilo")
OF_ALL = ("pulse-repaired", "mganprior")
STYLES = [name for name in FAMILIES if "style" in name]
OTHERS = [name for name in FAMILIES if "style" not in name]


def seen(prior, degradation="sr:4"):
    """A picture of the prior's own, degraded."""
    g = prior.generator
    with torch.no_grad():
        picture = g(g.sample(1, generator=torch.Generator().manual_seed(3)))[0]
    return observe(picture.clamp(-1, 1), degradation, prior, simulate=True)


def loaded(name, *settings):
    """No perceptual network is at hand."""
    return load_recipe(name, ["trunk=discriminator", *settings])


@pytest.mark.parametrize(
    ("name", "where"),
    [(name, where) for name in OF_W for where in STYLES] + [(name, where) for name in OF_ALL for where in FAMILIES],
)
def test_runs_two_steps_a_stage(name, where):
    prior, recipe = family(where), loaded(name, "stages.*.steps=2")
    recipe = recipe.model_copy(update={"searches": tuple(search.scale(0.1) for search in recipe.searches)})
    result = Inversion(seen(prior), prior, recipe).result()
    assert len(result.trace) == 2 * len(recipe.stages)
    assert result.tensor.isfinite().all() and result.tensor.std() > 0


@pytest.mark.parametrize("where", OTHERS)
@pytest.mark.parametrize("name", OF_W)
def test_is_refused_with_an_alternative_that_is_served(name, where):
    with pytest.raises(RecipeError, match="needs w, which the prior .* lacks; use --recipe ") as caught:
        adapt_recipe(loaded(name), family(where))
    adapt_recipe(load_recipe(re.search(r"--recipe (\S+)", str(caught.value))[1]), family(where))


def test_networks_without_z_are_refused_many_codes():
    from .test_recipe import synthesis

    with pytest.raises(RecipeError, match="needs z, .*use --recipe latent-mse"):
        adapt_recipe(loaded("mganprior"), synthesis())
    recipe, _ = adapt_recipe(load_recipe("pulse"), synthesis())
    assert recipe.space == ("w+",)


@pytest.mark.parametrize("name", ["stylegan2-projector", "rsr", "pti", "ilo"])
def test_without_perceptual_networks_the_discriminator_stands_in(name, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "/nowhere")
    prior = family("stylegan2")
    recipe, notes = adapt_recipe(load_recipe(name), prior)
    kinds = {term.kind for stage in recipe.stages for term in stage.terms if term.weight}
    assert kinds & {"perceptual", "perceptual-pyramid"} and not kinds & {"lpips", "lpips-pyramid"}
    assert any("discriminator stands in for the trunk lpips-" in note for note in notes)
    with pytest.raises(RecipeError, match="`dgp priors fetch efficientnet-lite0`"):
        adapt_recipe(load_recipe(name), dataclasses.replace(prior, discriminator=None))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("pulse", "stylegan1"),
        ("pulse-repaired", "biggan"),
        ("stylegan2-projector", "stylegan2"),
        ("rsr", "stylegan2"),
        ("pti", "stylegan2 with classes"),
        ("ilo", "stylegan1"),
        ("mganprior", "biggan"),
    ],
)
def test_lowers_its_objective_in_twenty_steps(name, where):
    prior, recipe = family(where), loaded(name, "stages.*.steps=20")
    result = Inversion(seen(prior), prior, recipe).result()
    stages = {}
    for line in result.trace:
        stages.setdefault(line["stage"], []).append(min(line["total"]))
    first, *_ = totals = list(stages.values())
    assert first[-1] < 0.7 * first[0]
    assert all(total[-1] < total[0] for total in totals if len(total) > 1)
    if recipe.stages[-1].terms == recipe.stages[0].terms:
        assert all(later[0] <= before[-1] * 1.02 for before, later in zip(totals, totals[1:], strict=False))


def test_published_numbers():
    pulse, projector, rsr, pti, ilo = (load_recipe(name) for name in OF_W)
    (stage,) = pulse.stages
    assert (stage.steps, stage.lr, stage.move["w+"].curve, stage.keep) == (100, 0.4, "one-cycle-drop", "last")
    assert [(t.kind, t.weight) for t in stage.terms] == [("mse", 25), ("geocross", 0.05)]
    assert stage.terms[0].floor == pulse.accept.below == 4 * 2e-3
    (stage,) = projector.stages
    assert (stage.steps, stage.lr, stage.move["w"].jitter, stage.terms[1].weight) == (1000, 0.1, 0.05, 1e5)
    assert [next(iter(s.move.values())).lr for s in rsr.stages] == [0.08, 0.02, 0.005]
    assert [s.steps for s in rsr.stages] == [150] * 3 and [s.convert for s in rsr.stages] == [None, "w+", "w++"]
    assert [s.steps for s in pti.stages] == [450, 350]
    assert (pti.stages[0].lr, pti.stages[1].release.lr, pti.stages[1].stop[0].threshold) == (0.01, 3e-4, 0.06)
    assert [s.steps for s in ilo.stages] == [50, 50, 25, 25] and {s.lr for s in ilo.stages} == {0.1}
    assert all(how.curve == "long-ramp" for s in ilo.stages for how in s.move.values())


def test_pulse_moves_the_coarse_noise_and_silences_the_finest():
    prior = family("stylegan1")
    run = Inversion(seen(prior), prior, load_recipe("pulse", ["stages.0.steps=2"]))
    result = run.result()
    assert set(run.recipe.stages[0].move) == {"w+", *(f"noise[{i}]" for i in range(5))}
    assert result.latents["noise[5]"].abs().max() == 0 and result.latents["noise[4]"].abs().max() > 0
    assert result.evaluations["cost"] == cost(run.recipe)


def test_tiled_latents_are_one_vector():
    prior = family("stylegan1")
    run = Inversion(seen(prior), prior, load_recipe("pulse", ["stages.0.steps=2", 'space=["w"]']))
    assert run.result().latents["w"].shape == (1, 16) and "w+" not in run.rows.values


def test_what_misses_is_handed_out_and_says_so(tmp_path):
    prior = family("biggan")
    recipe = load_recipe("pulse-repaired", ["stages.*.steps=1"])
    result = Inversion(seen(prior), prior, recipe, num_solutions=2).result()
    assert result.accepted == [False, False] and result.tensors.isfinite().all()
    assert [note for note in result.notes if note.startswith("answer 2 of 2") and "its mse is" in note]
    assert result.record()["accepted"] == [False, False]
    easy = recipe.model_copy(update={"accept": Accept(term="mse", below=10.0)})
    found = Inversion(seen(prior), prior, easy).result()
    assert found.accepted == [True] and not any("misses the threshold" in note for note in found.notes)
    assert Inversion(seen(prior), prior, recipe.model_copy(update={"accept": None})).result().accepted is None


def test_the_repaired_one_stops_where_it_agrees():
    prior = family("stylegan3")
    result = Inversion(seen(prior), prior, load_recipe("pulse-repaired")).result()
    assert result.accepted == [True] and len(result.trace) < 100


def test_balls_of_ilo_are_a_setting():
    ball = 'stages.1.move.feature@1.constraint={kind="l1-ball", radius=0.5}'
    prior, recipe = family("stylegan2"), loaded("ilo", "stages.*.steps=3", ball)
    run = Inversion(seen(prior), prior, recipe)
    maps = [run.rows.values["feature@1"].detach().clone() for step in run if step.stage == "before block 1"]
    assert 0 < (maps[-1] - maps[0]).abs().sum() <= 1.001 * 0.5 * 2


def test_pivotal_tuning_keeps_its_pivot_and_moves_every_layer():
    prior = family("stylegan2")
    recipe = loaded("pti", "stages.*.steps=2", "stages.1.terms.2.weight=1", "stages.1.stop=[]")
    run = Inversion(seen(prior), prior, recipe)
    pivot = None
    for step in run:
        if step.stage == "tuning":
            pivot = run.rows.values["w"].detach().clone() if pivot is None else pivot
    result = run.result()
    assert torch.equal(result.latents["w"], pivot) and "locality" in result.trace[-1]["losses"]
    before = dict(prior.generator.named_parameters())
    still = {name for name, weight in result.weights.items() if torch.equal(weight[0], before[name])}
    assert not still and "synthesis.b32.torgb.weight" in result.weights


def test_whole_releases_the_head_and_all_does_not():
    generator = family("stylegan2").generator
    release = load_recipe("pti").stages[1].release
    whole = set(plan_release(release, generator))
    rest = set(plan_release(release.model_copy(update={"groups": "all"}), generator))
    assert {name.split(".")[1] for name in whole - rest} == {"b32"} and all("torgb" in name for name in whole - rest)


def test_robust_restoration_widens_to_a_vector_for_each_filter():
    prior = family("stylegan2")
    result = Inversion(seen(prior, "gray"), prior, loaded("rsr", "stages.*.steps=1")).result()
    assert result.latents["w++"].shape[1:] == (sum(prior.generator.rows), 16)
    narrow = family("stylegan3")
    result = Inversion(seen(narrow, "gray"), narrow, loaded("rsr", "stages.*.steps=1")).result()
    assert "w+" in result.latents and any("this network has no w++" in note for note in result.notes)


def test_codes_meet_inside_a_shallow_network():
    prior = family("biggan")
    recipe, notes = adapt_recipe(load_recipe("mganprior"), prior)
    assert recipe.variables["codes"].chart.block == 2 and any("3 blocks" in note for note in notes)
    blind = replace(prior, discriminator=None)
    assert adapt_recipe(load_recipe("mganprior"), blind)[0].stages == recipe.stages


@pytest.mark.parametrize("where", FAMILIES)
def test_the_default_ends_in_the_widest_latents_and_lower(where):
    prior = family(where)
    inversion = Inversion(seen(prior, "gray"), prior, load_recipe("default", ["stages.*.steps=3"]), seed=1)
    totals = [float(step.total.min()) for step in inversion]
    result = inversion.result()
    assert ("w+" if where in STYLES else "z") in result.latents and result.scores[0] < 0.9 * totals[0]
    assert not any("w+" in note for note in result.notes)
