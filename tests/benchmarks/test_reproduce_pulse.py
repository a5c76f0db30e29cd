"""The script that measures PULSE's downscaling error, on a stand-in of its weights and of the faces."""

import json

import numpy as np
import pytest
import torch

import degradations
from dgp.observation.images import open_picture, to_tensor


@pytest.fixture
def call(pulse_weights, faces, tmp_path, capsys):
    import reproduce_pulse

    def run(*arguments):
        common = ["--weights", pulse_weights, "--pictures", faces, "--factor", 4, "-o", tmp_path / "out"]
        told = reproduce_pulse.main([str(word) for word in (*common, "--set", "stages.*.steps=2", *arguments)])
        return told, capsys.readouterr().out

    return run


def test_both_recipes_and_further_steps_give_their_rows_and_nothing_is_done_twice(call, tmp_path):
    told, said = call("--steps", 3, "--count", 2, "--at-once", 2)
    assert list(told["recipes"]) == ["pulse", "pulse-repaired", "pulse, 3 steps"]
    for name, row in told["recipes"].items():
        assert row["n"] == 2 and 0 < row["error"]["low"] <= row["error"]["mean"] <= row["error"]["high"] < 1
        assert f"| {name} | 2 |" in said and row["within"]["paper"] <= row["within"]["code"] <= 1
    assert ".00199" in said and "0.0053" in said and "| within 0.002 | within 0.001 |" in said
    assert json.loads((tmp_path / "out/figures.json").read_text()) == told
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/units").rglob("*.*")}
    call("--steps", 3)
    assert len(list((tmp_path / "out/units").rglob("*.json"))) == 9
    assert units == {path: path.stat().st_mtime_ns for path in units}


def test_the_error_is_that_of_the_saved_picture(call, faces, tmp_path):
    told, _ = call("--recipe", "pulse")
    operator = degradations.parse("sr-pulse:4")
    errors = []
    for path in sorted((tmp_path / "out/units/pulse").rglob("*.png")):
        small = [operator(to_tensor(open_picture(p).image)) for p in (path, faces / path.stem)]
        errors.append(float(torch.nn.functional.mse_loss(*small)) / 4)
    assert told["recipes"]["pulse"]["error"]["mean"] == pytest.approx(np.mean(errors), rel=0.02)
    assert told["recipes"]["pulse"]["median"] == pytest.approx(np.median(errors), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--recipe", "puls"), "did you mean 'pulse'"),
        (("--factor", 17), "sr-pulse"),
        (("--count", 9), "has 3 pictures"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(call, arguments, words):
    with pytest.raises(SystemExit, match=words) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
