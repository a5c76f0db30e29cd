"""Faces on the command line: `--align face`, `--landmarks` and `dgp align`."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.dgp.faces.scene import pair


@pytest.fixture
def two(tmp_path):
    """A grey photograph with two faces, and a file of their landmarks."""
    image, points = pair()
    image.convert("L").save(tmp_path / "two.png")
    (tmp_path / "faces.json").write_text(json.dumps({"two.png": [one.tolist() for one in points]}))
    return "two.png", "--landmarks", "faces.json"


def test_two_grey_faces_are_coloured(call, toy, two, tmp_path):
    result = call("colorize", *two, "--align", "face", *toy, "--json")
    assert "2 faces aligned (landmarks: faces.json)" in result.stderr
    folder = tmp_path / "out/two"
    before, after = (
        np.asarray(Image.open(path).convert("RGB")) for path in (tmp_path / "two.png", folder / "restored.png")
    )
    assert after.shape == before.shape and (after[:, 200:] == before[:, 200:]).all() and (after != before).any()
    assert (folder / "window2-restored_prior.png").is_file() and len(result.json["windows"]) == 2
    assert [len(one["face"]["quad"]) for one in result.json["windows"]] == [4, 4]
    assert result.json["geometry"]["face"]["source"] == "faces.json" and len(result.json["faces"]) == 2
    assert "done already" in call("colorize", *two, "--align", "face", *toy).output
    assert "faces: " in call("colorize", two[0], *toy, code=2).output, "another run"


def test_options_that_do_not_fit(call, toy, two):
    assert "add --align face" in call("colorize", *two, *toy, code=2).output
    assert "leave one of them out" in call("colorize", *two, "--align", "face", "--fit", "crop", *toy, code=2).output
    assert (
        "cannot be read" in call("colorize", two[0], "--align", "face", "--landmarks", "none.json", *toy, code=2).output
    )


def test_squares_and_their_landmarks(call, toy, two, tmp_path):
    result = call("align", *two, "-o", "squares", "--size", "48", "--json")
    assert [Image.open(tmp_path / file).size for file in result.json["results"][0]["files"]] == [(48, 48)] * 2
    assert sorted(path.name for path in (tmp_path / "squares").iterdir()) == [
        "landmarks.json",
        "two_0.png",
        "two_1.png",
    ]
    again = call("colorize", two[0], "--align", "face", "--landmarks", "squares/landmarks.json", *toy, "--dry-run")
    assert "2 faces aligned" in again.output


def test_a_photograph_that_fails_does_not_stop_the_others(call, two, tmp_path):
    Image.new("RGB", (60, 60)).save(tmp_path / "other.png")
    result = call("align", "other.png", *two, "-o", "squares", "--size", "32", code=4)
    assert "other.png" in result.stderr and "two_1.png" in result.output
    assert "got landmarks of two.png" in call("align", "other.png", *two[1:], "-o", "squares", code=2).output
