"""Files of landmarks: every form that is read, and what is refused."""

import json

import numpy as np
import pytest

from dgp.errors import InputError
from dgp.faces.landmark_files import faces_of, read_landmarks, write_landmarks
from dgp.faces.landmarks import Face
from tests.dgp.faces.scene import POINTS

FACE = POINTS.tolist()
LINE = ",".join(f"{value:g}" for value in POINTS.ravel())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (json.dumps(FACE), 1),
        (json.dumps([FACE, FACE]), 2),
        (json.dumps({"landmarks": FACE, "score": 0.5}), 1),
        (json.dumps({"faces": [{"landmarks": FACE}, {"landmarks": FACE}]}), 2),
        (json.dumps({"b.png": [FACE], "a.png": [FACE, FACE]}), 2),
        (json.dumps({"pictures": {"a.png": [{"landmarks": FACE}]}}), 1),
        (LINE, 1),
        (f"x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n{LINE}\n\n{LINE}\n", 2),
        (f"b.png,{LINE}\na.png,{LINE}\na.png,{LINE}", 2),
    ],
)
def test_what_is_read(tmp_path, text, count):
    (tmp_path / "faces").write_text(text)
    found = read_landmarks(tmp_path / "faces", "a.png")
    assert len(found) == count and all(np.allclose(face.points, POINTS) for face in found)


def test_what_is_written_is_read(tmp_path):
    (tmp_path / "faces.json").write_bytes(write_landmarks({"a.png": [Face.from_points(FACE, 0.9, "mtcnn")]}))
    (face,) = read_landmarks(tmp_path / "faces.json", "a.png")
    assert np.allclose(face.points, POINTS) and face.score == 0.9
    (face,) = faces_of(tmp_path / "faces.json", None)
    assert np.allclose(face.points, POINTS), "of a picture without a name, the only one"


def test_arrays_are_read():
    assert len(faces_of(POINTS, None)) == 1 and len(faces_of([POINTS, POINTS], None)) == 2
    assert len(faces_of(np.zeros((0, 5, 2)), None)) == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "got no face"),
        ("[]", "got no face"),
        ("{", "not valid JSON"),
        ("[" * 100000, "not valid JSON"),
        ("[[1, 2], [3, 4]]", r"shape \(2, 2\), expected 5 points"),
        (json.dumps([[0, 0]] * 5), "coincide"),
        (json.dumps(FACE[:4] + [[1, "a"]]), "shape"),
        (json.dumps(FACE[:4] + [[1, float("nan")]]), "NaN"),
        (json.dumps({"landmarks": FACE, "score": "high"}), "score"),
        (json.dumps({"b.png": [FACE]}), "got landmarks of b.png, expected those of a.png"),
        ("1,2,3", "got a line of 3 values"),
        (f"b.png,{LINE}", "got landmarks of b.png"),
    ],
)
def test_what_is_refused(tmp_path, text, says):
    (tmp_path / "faces").write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_landmarks(tmp_path / "faces", "a.png")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_landmarks(tmp_path / "faces.json")
