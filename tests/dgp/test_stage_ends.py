"""Rows of a stage stop each by itself: what has stopped stays as it was seen, and a stage without rows is over."""

import copy
import dataclasses

import pytest
import torch

import generators
from degradations.noise.model import GaussianNoise
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.random_streams import random_stream
from dgp.recipes.schema import Recipe

MOVE = {"z": {}, "class": {}}


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observations(toy):
    drawn = toy.generator.sample(3, classes=torch.tensor([0, 1, 2]), generator=random_stream(0, "three pictures", 0))
    pictures = zip(toy.generator(drawn), ("gray", "sr:4", "inpaint:center=1/3"), (0, None, 2), strict=True)
    return [observe(p, spec, toy, simulate=True, label=label) for p, spec, label in pictures]


def recipe(*stages, variables=None):
    table = {"steps": 12, "lr": 0.2, "move": MOVE, "terms": ["mse"]}
    return Recipe.model_validate(
        {
            "name": "stops",
            "summary": "",
            "cites": (),
            "variables": variables or {},
            "searches": [{"kind": "best-of", "count": 2, "terms": ["mse"]}],
            "stages": [table | stage for stage in stages],
        }
    )


def reached_by_two(toy, observations, **stage):
    """A threshold midway between the lowest totals that two of three rows come down to and the one that the third does:
    a start, and what is drawn for it, may be another where a pixel of an observation is rounded otherwise."""
    totals = torch.stack([step.total for step in Inversion(observations, toy, recipe(stage), seed=1)])
    _, second, third = totals.amin(0).sort().values.tolist()
    return (second + third) / 2


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_what_has_stopped_stays(toy, observations, optimizer):
    move = {name: {"optimizer": optimizer, "momentum": 0.9} for name in MOVE}
    # With momentum, rates that overshoot magnify rounding: at 5 by a thousand, at 1 the rows end 1e-7 apart.
    stage = {"move": move, "lr": 0.2 if optimizer == "adam" else 1.0}
    below = {"kind": "below", "term": "mse", "threshold": reached_by_two(toy, observations, **stage)}
    stage["stop"] = [below]
    inversion = Inversion(observations, toy, recipe(stage), seed=1)
    at, kept, totals = {}, {}, []
    for step in inversion:
        totals.append(step.total)
        for row in step.stopped.nonzero()[:, 0].tolist():
            assert float(step.total[row]) <= below["threshold"] and step.live[row]
            at[row] = step.iteration
            kept[row] = {name: v[row].detach().clone() for name, v in inversion.rows.values.items()}
        for row in at:
            assert step.live[row] == (step.iteration == at[row])
            assert torch.equal(step.total[row], totals[at[row]][row])
    assert at and len(at) < len(inversion.rows)
    for row, values in kept.items():
        for name, value in values.items():
            assert torch.equal(inversion.rows.values[name][row], value)
    # Rows that did not stop went on as if there were nobody else.
    free = Inversion(observations, toy, recipe(stage | {"stop": []}), seed=1)
    free.result()
    going = [row for row in range(len(free.rows)) if row not in at]
    assert torch.allclose(inversion.rows.values["z"][going], free.rows.values["z"][going], atol=1e-4)


def test_pictures_stop_as_if_alone(toy, observations):
    """The next stage carries the optimisers' moments, so that their count of steps must be a row's own."""
    below = {"kind": "below", "term": "mse", "threshold": reached_by_two(toy, observations)}
    stages = {"stop": [below, {"kind": "plateau", "patience": 4, "improvement": 0.2}]}, {"steps": 4}
    together = Inversion(observations, toy, recipe(*stages), seed=1)
    results = together.result()
    lengths = {len(result.trace) for result in results}
    assert len(lengths) > 1
    for observation, result in zip(observations, results, strict=True):
        alone = Inversion(observation, toy, recipe(*stages), seed=1).result()
        assert torch.allclose(alone.prior_tensor, result.prior_tensor, atol=2e-4)
        assert [line["step"] for line in alone.trace] == [line["step"] for line in result.trace]
        assert [line.get("stopped") for line in alone.trace] == [line.get("stopped") for line in result.trace]


def test_a_stage_ends_with_its_last_row(toy, observations):
    inversion = Inversion(observations, toy, recipe({"stop": [{"kind": "budget", "evaluations": 9}]}, {"steps": 2}))
    steps = list(inversion)
    assert [(s.stage, s.iteration, s.index) for s in steps] == [
        ("stage 1", 0, 0),
        ("stage 1", 1, 1),
        ("stage 1", 2, 2),
        ("stage 2", 0, 12),
        ("stage 2", 1, 13),
    ]
    assert steps[2].stopped.all() and not steps[1].stopped.any()
    assert inversion.trace[0][2]["stopped"] == [0]
    result = inversion.result()[0]
    assert result.timing["steps"] == 5


def test_the_noise_floor_is_of_what_was_seen(toy, observations):
    """Rows stop where the residual over what was observed falls to the noise; without stated noise they never do."""
    sharp = observations[2]
    noisy = copy.deepcopy(sharp.degradation)
    noisy.noise = GaussianNoise(0.4)
    y = noisy.noise.sample(sharp.y, torch.Generator().manual_seed(0))
    observation = dataclasses.replace(sharp, degradation=noisy, y=y)
    seen = ~sharp.degradation.unobserved((32, 32))[0]
    residual = lambda step: (step.image - y).square()[:, :, seen].mean((1, 2))  # noqa: E731
    free = [residual(step)[0] for step in Inversion(observation, toy, recipe({}), seed=1)]
    factor = float(torch.stack(free).median()) / 0.16 + 1e-4
    stage = {"stop": [{"kind": "noise-floor", "factor": factor}]}
    run = Inversion([observation, sharp], toy, recipe(stage), seed=1)
    for step in run:
        mine = step.live & (step.picture == 0)
        assert torch.equal(step.stopped[mine], residual(step)[mine] <= factor * 0.16)
        assert not step.stopped[step.picture == 1].any()
    assert len(run.trace[0]) < 12 and len(run.trace[1]) == 12


def test_the_trace_says_how_far_constraints_moved(toy, observations):
    inversion = Inversion(observations[0], toy, recipe({}, variables={"z": {"constraint": "sphere"}, "class": {}}))
    result = inversion.result()
    assert all(set(line["constrained"]) == {"z"} and line["constrained"]["z"][0] > 0 for line in result.trace)
    plain = Inversion(observations[0], toy, recipe({})).result()
    assert not any("constrained" in line for line in plain.trace)


def test_a_constraint_may_look_back_to_its_stage(toy, observations):
    stage = {"move": {"z": {"constraint": {"kind": "l1-ball", "radius": 0.5}}}}
    one, two = (Inversion(observations[0], toy, recipe(*[stage] * count), seed=1) for count in (1, 2))
    one.result()
    two.result()
    change = (two.rows.values["z"] - one.rows.values["z"]).abs().sum(1)
    assert change.min() > 0.4 and change.max() <= 0.5 + 1e-5


def test_a_stop_that_looks_at_no_term_is_refused():
    with pytest.raises(ValueError, match="expected one of the stage's terms: mse"):
        recipe({"stop": [{"kind": "below", "term": "lpips", "threshold": 0.1}]})
