"""What a picture's bytes do not depend on, and that --deterministic leaves the process as it was."""

import os

import pytest
import torch

from dgp.inversion import Inversion
from dgp.process.determinism import CUBLAS, deterministic

from . import scene

SEARCHES = ({"kind": "best-of", "count": 9, "elite": 3, "terms": [scene.MSE]},)
RELEASE = {"steps": 3, "rows_kept": 1, "release": {"groups": 2, "lr": 1e-3}}


@pytest.fixture(scope="module")
def toy():
    return scene.toy()


def recipe(**stage):
    terms = [{"kind": "features", "drop": 1}, scene.MSE]
    return scene.recipe({"steps": 4, "terms": terms}, RELEASE | {"terms": terms} | stage, searches=SEARCHES)


def state():
    backend = torch.backends.cudnn
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.get_num_threads(),
        backend.deterministic,
        backend.benchmark,
        os.environ.get(CUBLAS),
    )


def test_the_process_is_left_as_it_was():
    torch.set_num_threads(2)
    before = state()
    with pytest.raises(KeyError), deterministic():
        assert state()[:5] == (True, False, 1, True, False) and state()[5] == ":4096:8"
        raise KeyError
    assert state() == before
    with deterministic(enabled=False):
        assert state() == before


def test_rows_do_not_depend_on_what_else_is_computed(toy):
    """Other pictures, their order and the number of solutions change batches, and those nothing."""
    first, second = scene.observations(toy)
    with deterministic():
        alone = Inversion(first, toy, recipe()).result()
        several = Inversion(first, toy, recipe(), num_solutions=3)
        several.result()
        swapped = Inversion([second, first], toy, recipe(), num_solutions=2)
        swapped.result()
    for run, picture in ((several, 0), (swapped, 1)):
        row = run.rows.of(picture, 0)
        assert torch.equal(row.values["z"], alone.latents["z"])
        assert all(torch.equal(row.weights[name], weight) for name, weight in alone.weights.items())
        assert torch.equal(run.renderer.render(row), alone.prior_tensors)
    record = alone.record()
    assert (record["deterministic"], record["threads"], record["memory"]["rows_at_once"]) == (True, 1, 1)
    assert not Inversion(first, toy, recipe()).result().record()["deterministic"]
