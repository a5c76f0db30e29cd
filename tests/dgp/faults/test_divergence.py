"""A row whose objective is no number goes back, then stops with what it had; no other row notices."""

import itertools
import math

import pytest
import torch

from dgp.checkpoint.checkpoint import Checkpoint
from dgp.engine.recovery import WATCH_EVERY
from dgp.errors import DgpError
from dgp.inversion import Inversion

from . import scene


@pytest.fixture(scope="module")
def toy():
    return scene.toy()


@pytest.fixture(scope="module")
def observations(toy):
    return scene.observations(toy)


def faulty(*at, **how):
    return {"terms": [scene.MSE, {"kind": "faulty", "at": at, "weight": 0.01, **how}]}


def run(observations, toy, *stages):
    inversion = Inversion(observations, toy, scene.recipe(*stages))
    return inversion, inversion.result()


@pytest.mark.parametrize("keep", ["last", "best"])
@pytest.mark.parametrize("release", [None, {"groups": 2, "lr": 1e-3}])
def test_a_row_goes_on_the_first_time_and_changes_no_other(toy, observations, keep, release):
    stage = {"keep": keep, "release": release}
    _, well = run(observations, toy, faulty() | stage)
    _, ill = run(observations, toy, faulty(20) | stage)
    assert torch.equal(ill[1].tensors, well[1].tensors) and ill[1].trace == well[1].trace
    assert [one.status for one in ill] == ["done", "done"] and not ill[0].diverged
    (note,) = ill[0].notes
    assert "diverged in stage 1, step 21" in note and "half the step" in note
    # It went back to step 16 and had eight steps, half as long, fewer.
    assert all(math.isfinite(score) for score in ill[0].scores)
    totals = [line["total"][0] for line in ill[0].trace]
    assert totals[33] == totals[16] and math.isnan(totals[21]) and totals[39] < totals[33]


def test_half_the_step_is_half_the_step(toy, observations):
    def moves(*at):
        inversion = Inversion(observations, toy, scene.recipe(faulty(*at) | {"move": {"z": {"optimizer": "sgd"}}}))
        found = []
        for step in inversion:
            if step.iteration in (WATCH_EVERY, 2 * WATCH_EVERY, 2 * WATCH_EVERY + 1):
                found.append(inversion.rows.values["z"][0].detach().clone())
        return found

    at_16, back, after = moves(20)
    assert not torch.equal(at_16, back)  # remembered before the update of step 16
    full = at_16 - back
    assert torch.allclose(after - back, full / 2, atol=1e-7)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_the_second_time_it_stops_with_what_it_had(toy, observations, keep):
    inversion, (ill, other) = run(observations, toy, faulty(5, 20) | {"keep": keep})
    assert ill.status == "diverged" and ill.record()["status"] == "diverged" and other.status == "done"
    assert ill.diverged == [{"solution": 0, "stage": "stage 1", "iteration": 20}]
    assert ill.record()["diverged"] == ill.diverged
    finite = [line["total"][0] for line in ill.trace if math.isfinite(line["total"][0])]
    # At step 16 it was NaN still, so that it went back to step 0 both times.
    assert ill.scores[0] == pytest.approx(finite[0] if keep == "last" else min(finite), rel=1e-5)
    assert len(other.trace) == 40 and len(ill.trace) == 2 * WATCH_EVERY + 1


def test_the_last_steps_are_looked_at_too(toy, observations):
    _, (ill, _) = run(observations, toy, faulty(38))
    assert ill.diverged == [{"solution": 0, "stage": "stage 1", "iteration": 38}]
    assert ill.scores[0] == pytest.approx(ill.trace[32]["total"][0], rel=1e-5)


def test_a_stage_that_diverges_at_once_leaves_what_the_stage_before_found(toy, observations):
    _, (alone, _) = run(observations, toy, {})
    _, (ill, other) = run(observations, toy, {}, faulty(always=True) | {"steps": 3})
    assert torch.equal(ill.prior_tensors, alone.prior_tensors) and ill.scores == alone.scores
    assert ill.diverged == [{"solution": 0, "stage": "stage 2", "iteration": 0}]
    assert other.status == "done"


def test_a_run_without_any_number_is_an_error(toy, observations):
    with pytest.raises(DgpError, match="there is no result"):
        run(observations, toy, faulty(always=True))


def test_lbfgs_stops_a_row_and_keeps_its_best(toy, observations):
    stage = {"solver": "l-bfgs", "lr": 0.1, "steps": 12}
    _, well = run(observations, toy, faulty() | stage)
    _, ill = run(observations, toy, faulty(6) | stage)
    # Fewer rows are another batch, whose sums may be rounded otherwise, as where a row stops early.
    assert torch.allclose(ill[1].prior_tensors, well[1].prior_tensors, atol=1e-3)
    assert ill[0].diverged == [{"solution": 0, "stage": "stage 1", "iteration": 6}]
    assert ill[0].scores[0] == pytest.approx(min(line["total"][0] for line in ill[0].trace[:6]), rel=1e-5)


@pytest.mark.parametrize("at", [(20,), (5, 20)])
def test_a_run_that_is_resumed_between_a_fault_and_its_recovery_ends_alike(toy, observations, tmp_path, at):
    _, alone = run(observations, toy, faulty(*at))
    for stop in (WATCH_EVERY + 2, WATCH_EVERY + 6, 2 * WATCH_EVERY + 2):
        interrupted = Inversion(observations, toy, scene.recipe(faulty(*at)))
        for _ in itertools.islice(interrupted, stop):
            pass
        interrupted.checkpoint().save(tmp_path / "point")
        counted = scene.COUNT[0]
        again = scene.recipe(faulty(*at))
        scene.COUNT[0] = counted
        resumed = Inversion.resume(Checkpoint.load(tmp_path / "point"), observations, toy, again).result()
        for one, other in zip(resumed, alone, strict=True):
            assert torch.equal(one.tensors, other.tensors) and one.diverged == other.diverged
            assert one.scores == other.scores
