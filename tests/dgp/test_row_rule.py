"""A row gives the same answer alone and among others: in search, in latent steps, and with weights of its own."""

import dataclasses
import math

import pytest
import torch

import generators
from degradations import Degradation
from dgp.api import observe
from dgp.errors import DgpError, InputError
from dgp.inversion import Inversion
from dgp.random_streams import random_stream
from dgp.recipes.schema import Recipe

TERMS = [{"kind": "features", "drop": 1}, {"kind": "mse", "weight": 2.0}, {"kind": "nll", "weight": 0.01}]


def recipe(norm="batch", moments="cold"):
    release = {"groups": 2, "lr": 1e-3, "ratio": 0.5, "moments": moments}
    return Recipe.model_validate(
        {
            "name": "rows",
            "summary": "",
            "cites": (),
            "variables": {"z": {"constraint": "sphere"}, "class": {}},
            "searches": [{"kind": "best-of", "count": 12, "elite": 4, "terms": [{"kind": "mse"}]}],
            "stages": [
                {"steps": 3, "lr": 0.05, "move": {"z": {}, "class": {"lr": 0.01}}, "terms": TERMS, "norm": norm},
                {
                    "steps": 3,
                    "lr": 0.02,
                    "move": {"z": {}},
                    "release": release,
                    "terms": TERMS,
                    "norm": norm,
                    "rows_kept": 2,
                    "keep": "best",
                },
                {
                    "steps": 2,
                    "lr": 0.01,
                    "move": {"z": {}},
                    "release": release | {"groups": "all"},
                    "terms": TERMS,
                    "norm": norm,
                    "rows_kept": 1,
                },
            ],
        }
    )


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observations(toy):
    latents = toy.generator.sample(3, classes=torch.tensor([0, 1, 2]), generator=random_stream(0, "three pictures", 0))
    pictures = toy.generator(latents)
    specs = ["gray", "sr:4", "inpaint:center=1/3"]
    return [
        observe(p, spec, toy, simulate=True, label=label)
        for p, spec, label in zip(pictures, specs, (0, None, 2), strict=True)
    ]


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("moments", ["cold", "warm"])
def test_several_pictures_and_answers_are_what_each_would_be_alone(toy, observations, norm, moments):
    together = Inversion(observations, toy, recipe(norm, moments), seed=3, num_solutions=2).result()
    for observation, result in zip(observations, together, strict=True):
        alone = Inversion(observation, toy, recipe(norm, moments), seed=3, num_solutions=2).result()
        assert torch.allclose(alone.prior_tensor, result.prior_tensor, atol=2e-4)
        # A bias that enters an instance norm has no effect: its gradient is rounding noise, which Adam makes large.
        for name in [n for n in alone.weights if norm == "batch" or not n.endswith("conv1.bias")]:
            # Adam makes a step of rounding noise where a gradient is nearly nothing: single entries may differ.
            assert (alone.weights[name] - result.weights[name]).abs().mean() <= 2e-5, name


class Dimmed(Degradation):
    """Its state is its own: no parameter, no buffer, no spec tells of it."""

    linear = True

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor


def test_operators_of_one_class_keep_their_own_state(toy, observations):
    clean = observations[0].original[0]
    dimmed = [observe(clean, Dimmed(factor), toy, simulate=True, label=0) for factor in (1.0, 0.25)]
    together = Inversion(dimmed, toy, recipe(), seed=3).result()
    alone = Inversion(dimmed[1], toy, recipe(), seed=3).result()
    assert torch.allclose(alone.prior_tensor, together[1].prior_tensor, atol=2e-4)


def test_weights_say_what_counts(toy, observations):
    observation = observations[0]
    half = torch.zeros(1, 1, 32, 32)
    half[..., :16] = 1
    spoiled = dataclasses.replace(observation, y=torch.where(half > 0, observation.y, -observation.y))
    seen = [dataclasses.replace(o, weight=half) for o in (observation, spoiled)]
    lone = recipe().model_copy(update={"stages": recipe().stages[:1]})
    lone = Recipe.model_validate(lone.model_dump() | {"stages": [lone.stages[0].model_dump() | {"terms": ["mse"]}]})
    a, b = (Inversion(o, toy, lone).result().prior_tensor for o in seen)
    assert torch.allclose(a, b, atol=1e-5)
    plain = Inversion(observation, toy, lone).result().prior_tensor
    doubled = Inversion(dataclasses.replace(observation, weight=2 * torch.ones_like(half)), toy, lone).result()
    assert torch.allclose(plain, doubled.prior_tensor, atol=1e-5) and not torch.allclose(plain, a, atol=1e-3)


def test_a_run_that_was_cut_short_has_no_answer(toy, observations):
    inversion = Inversion(observations[0], toy, recipe())
    steps = iter(inversion)
    next(steps)
    steps.close()
    with pytest.raises(DgpError, match="interrupted"):
        inversion.result()


def test_a_run_that_leaves_the_numbers_keeps_what_it_had(toy, observations):
    wild = Recipe.model_validate(
        {
            "name": "wild",
            "summary": "",
            "cites": (),
            "searches": [{"kind": "best-of", "count": 1, "terms": ["mse"]}],
            "stages": [{"steps": 3, "lr": 1e38, "move": {"z": {"optimizer": "sgd"}}, "terms": ["mse"]}],
        }
    )
    inversion = Inversion(observations[0], toy, wild)
    before = next(iter(inversion)).image
    result = inversion.result()
    assert result.status == "diverged" and torch.allclose(result.prior_tensors, before, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"num_solutions": 0}, "0 solutions"),
        ({"device": "tpu"}, "expected auto, cpu or cuda"),
        ({"start": {"z": torch.zeros(1, 8)}}, "class"),
    ],
)
def test_runs_that_cannot_begin(toy, observations, how, says):
    with pytest.raises(InputError, match=says):
        Inversion(observations[0], toy, recipe(), **how).result()


def test_the_first_answer_does_not_depend_on_how_many_are_asked_for(toy, observations):
    def answer(count):
        inversion = Inversion(observations[0], toy, recipe(), seed=5, num_solutions=count)
        inversion.result()
        return inversion.renderer.render(inversion.rows)[0]

    assert torch.allclose(answer(1), answer(3), atol=2e-4)


def test_chunks_of_rows_change_nothing(toy, observations, monkeypatch):
    from dgp.rendering.renderer import Renderer

    whole = Inversion(observations, toy, recipe(), seed=1).result()
    monkeypatch.setattr(Renderer, "rows_at_once", property(lambda self: 3))
    parts = Inversion(observations, toy, recipe(), seed=1).result()
    for a, b in zip(whole, parts, strict=True):
        assert torch.allclose(a.prior_tensor, b.prior_tensor, atol=2e-4)


def test_seeds_belong_to_pictures(toy, observations):
    forward = Inversion(observations, toy, recipe(), seed=2).result()
    backward = Inversion(observations[::-1], toy, recipe(), seed=2).result()[::-1]
    for a, b in zip(forward, backward, strict=True):
        assert torch.allclose(a.prior_tensor, b.prior_tensor, atol=2e-4)
    other = Inversion(observations[0], toy, recipe(), seed=9).result()
    assert not torch.allclose(other.prior_tensor, forward[0].prior_tensor, atol=1e-3)


def test_search_returns_its_elite_and_nothing_drawn_anew(toy, observations):
    inversion = Inversion(observations[1], toy, recipe(), seed=4)
    rows = inversion._search()
    search = inversion.recipe.searches[0]
    candidates = inversion.source.draw(0, 0, search.count, search.std)
    scores = inversion.evaluator.score(candidates, search.terms)
    assert torch.equal(rows.values["z"], candidates.values["z"][scores.argsort(stable=True)[:4]])
    assert inversion.evaluations.forward == 24 and inversion.evaluations.backward == 0


def test_best_keeps_what_scored_lowest(toy, observations):
    wild = Recipe.model_validate(
        {
            "name": "wild",
            "summary": "",
            "cites": (),
            "searches": [{"kind": "best-of", "count": 1, "terms": [{"kind": "mse"}]}],
            "stages": [{"steps": 8, "lr": 3.0, "move": {"z": {}}, "terms": [{"kind": "mse"}], "keep": "best"}],
        }
    )
    inversion = Inversion(observations[0], toy, wild)
    totals = [float(step.total) for step in inversion]
    assert float(inversion.scores) <= min(totals)
    again = inversion.evaluator.score(inversion.rows, wild.stages[0].terms)
    assert torch.allclose(again, inversion.scores, atol=1e-6)


def test_cold_release_computes_no_gradient_of_what_stands_still(toy, observations):
    inversion = Inversion(observations[0], toy, recipe())
    for step in inversion:
        if step.index == 4:
            moving = set(inversion.rows.weights)
    frozen = {name for g in toy.generator.groups()[2:] for name in g.parameters}
    assert moving and not moving & frozen
    assert all(not p.requires_grad for p in toy.generator.parameters())


def test_an_answer_that_diverges_leaves_the_others_alone(toy, observations):
    inversion = Inversion(observations[:2], toy, recipe(), num_solutions=2)
    for _ in inversion:
        pass
    inversion.scores[slice(*inversion.rows.blocks()[0])] = math.nan  # the first answer to the first picture
    results = inversion.result()
    assert [len(result.tensors) for result in results] == [1, 2] and "1 of 2 solutions" in results[0].notes[-1]
    with pytest.raises(DgpError, match="there is no result"):
        inversion.scores[:] = math.nan
        inversion.result()
