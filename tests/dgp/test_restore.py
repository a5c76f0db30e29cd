"""`dgp.restore`: as the command line, of one picture or of several."""

import inspect
from dataclasses import fields

import numpy as np
import pytest
import torch

import dgp
import generators
from dgp.cli.options import RunOptions
from dgp.errors import InputError
from dgp.inversion import Inversion

QUICK = {"recipe": "latent-mse", "overrides": ("stages.*.steps=2", "searches.0.count=8")}


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def pictures():
    return [np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8) for seed in range(3)]


def test_the_command_line_and_the_library_take_the_same():
    # What is of files and of the terminal has other ways in Python: Restoration.save, degradations.load_plugin,
    # open_picture.
    of_files = {"output", "max_pixels", "plugins", "dry_run", "overwrite", "resume", "checkpoint_every", "log_file"}
    assert {f.name for f in fields(RunOptions)} - of_files <= set(inspect.signature(dgp.restore).parameters)
    for function in (dgp.restore, Inversion.__init__):
        assert inspect.signature(function).parameters["device"].default == "auto"


def test_several_pictures_are_what_each_is_alone(toy, pictures):
    steps = []
    several = dgp.restore(pictures, "gray", toy, **QUICK, seed=3, on_step=steps.append)
    alone = [dgp.restore(picture, "gray", toy, **QUICK, seed=3) for picture in pictures]
    assert len(several) == 3
    for mine, theirs in zip(several, alone, strict=True):
        assert torch.equal(mine.tensor, theirs.tensor) and mine.scores == theirs.scores
    assert [int(step.picture.unique()) for step in steps] == sorted([0, 1, 2] * (len(steps) // 3))


def test_one_in_a_list_is_a_list_and_none_is_refused(toy, pictures):
    (only,) = dgp.restore(pictures[:1], "gray", toy, **QUICK)
    assert only.tensor.shape == (3, 32, 32)
    with pytest.raises(InputError, match="empty list"):
        dgp.restore([], "gray", toy, **QUICK)


def test_all_are_looked_at_before_the_first_is_run(toy, pictures):
    steps = []
    with pytest.raises(InputError, match="nowhere.png"):
        dgp.restore([pictures[0], "nowhere.png"], "gray", toy, **QUICK, on_step=steps.append)
    assert not steps


def test_each_of_several_begins_at_its_own_start(toy, pictures):
    ended = dgp.restore(pictures[:2], "gray", toy, **QUICK)
    still = {"recipe": "latent-mse", "overrides": ("stages.*.steps=1", "stages.*.lr=0.0")}
    again = dgp.restore(pictures[:2], "gray", toy, **still, start=ended)
    for before, after in zip(ended, again, strict=True):
        assert torch.allclose(before.latents["z"], after.latents["z"], atol=1e-6)
    with pytest.raises(InputError, match="1 starts for 2 pictures"):
        dgp.restore(pictures[:2], "gray", toy, **still, start=ended[0])


def test_a_budget_and_no_merge(toy, pictures):
    cheap = dgp.restore(pictures[0], "gray", toy, recipe="latent-mse", budget=60, merge=False)
    assert cheap.evaluations["cost"] <= 60
    assert torch.equal(cheap.tensor, cheap.prior_tensor)


def test_the_class_may_be_left_open_in_two_words(toy, pictures):
    open_, auto = (dgp.restore(pictures[0], "gray", toy, **QUICK, label=label) for label in (None, "auto"))
    assert torch.equal(open_.tensor, auto.tensor)
