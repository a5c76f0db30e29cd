"""Photographs at their own size on the command line: what is said before and after a run."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data


@pytest.fixture
def clean(tmp_path):
    Image.fromarray(data.astronaut()[:120, 120:280]).save(tmp_path / "clean.png")
    return "clean.png"


def test_a_faded_photograph_is_restored_at_its_own_size(call, toy, clean, tmp_path):
    call("degradations", "preview", clean, "-d", "fade:0.6", "-o", "faded.png")
    result = call("restore", "faded.png", "-d", "fade:0.6", *toy)
    before, after = (np.asarray(Image.open(tmp_path / name)) for name in (clean, "out/faded/restored.png"))
    assert np.abs(before.astype(int) - after).max() <= 4
    assert "data consistency at 160x120: exact" in result.output


def test_what_detail_the_answer_lacks_is_said_before_the_run(call, toy, clean):
    dry = call("restore", clean, "-d", "blur:5", *toy, "--dry-run")
    assert "will have the detail of a picture of" in dry.output and "`dgp priors fetch NAME`" in dry.output
    assert "detail" not in call("restore", clean, "-d", "blur:0.5", *toy, "--dry-run").output


def test_simulation_at_the_photographs_own_size(call, toy, clean, tmp_path):
    options = ("-d", "noise:0.1", "--simulate", "--simulate-at", "photo", *toy)
    result = call("restore", clean, *options, "--json")
    measured = result.json["full_size"]
    assert measured["size"] == [160, 120] and result.json["effective_resolution"]["output"] == [160, 120]
    assert measured["metrics"]["psnr"]["value"] > measured["metrics"]["psnr_untouched"]["value"] + 3
    assert measured["fidelity"]["within_noise"] and measured["worse_than_untouched"] is None
    assert "PSNR at 160x120" in result.stderr and "within the noise" in result.stderr
    assert Image.open(tmp_path / "out/clean/comparison.png").width > 3 * 160
    other = call("restore", clean, "-d", "noise:0.1", "--simulate", *toy, code=2)
    assert "size of the simulation: photo there, not given now" in other.output.replace("\n", " ")
    assert "without simulating" in call("restore", clean, "-d", "gray", "--simulate-at", "photo", *toy, code=2).output


def test_harm_is_said_after_the_run(call, toy, clean):
    options = ("--simulate", "--simulate-at", "photo", *toy, "--no-merge")
    result = call("restore", clean, "-d", "noise:0.05", *options)
    assert "worse than the photograph as it is" in result.output


def test_units_of_estimates_are_recorded(call, toy, clean):
    call("degradations", "preview", clean, "-d", "noise:0.1", "-o", "noisy.png")
    result = call("restore", "noisy.png", "-d", "noise:sigma=auto", *toy, "--json")
    found = result.json["degradation"]["estimated"]["sigma"]
    assert found["unit"] == "of black to white" and found["value"] == pytest.approx(0.1, rel=0.15)
    assert "of black to white" in result.stderr


def test_the_inversion_of_an_intact_photograph_says_where_it_is(call, toy, clean, tmp_path):
    result = call("invert", clean, *toy)
    assert "restored_prior.png" in result.output
    assert json.loads((tmp_path / "out/clean/result.json").read_text())["full_size"]["unchanged"]
