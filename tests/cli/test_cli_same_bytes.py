"""The files of a picture are the same bytes whatever else is in the call."""

import json
from pathlib import Path

import pytest

from .conftest import colours


def files(folder):
    """The bytes of all files of a run but result.json, which holds times and the call."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    record = json.loads(found.pop("result.json"))
    return found, {name: record[name] for name in ("status", "scores", "metrics", "latents", "evaluations", "unit")}


@pytest.fixture
def pictures(tmp_path):
    for number in range(3):
        colours(seed=number).save(tmp_path / f"{number}.png")
    return ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("how", [(), ("--deterministic",)])
def test_order_and_other_pictures_change_nothing(call, toy, pictures, how):
    command = ("restore", "-d", "gray", *toy, *how)
    call(*command, pictures[0], "-o", "alone")
    call(*command, *pictures, "-o", "forward")
    call(*command, *pictures[::-1], "-o", "backward")
    call(*command, pictures[1], "-o", "several", "--num-solutions", "3")
    call(*command, pictures[0], "-o", "several")
    expected = files("alone/0")
    assert len(expected[0]) >= 6
    for folder in ("forward", "backward", "several"):
        assert files(f"{folder}/0") == expected


def test_deterministic_runs_say_so(call, toy, pictures):
    record = call("restore", pictures[0], "-d", "gray", *toy, "--deterministic", "--json").json
    assert record["deterministic"] is True and record["threads"] == 1
    # The pictures of both modes are of the same unit: --deterministic is how it was computed, not what.
    assert call("restore", pictures[0], "-d", "gray", *toy, "--json").json["unit"] == record["unit"]
