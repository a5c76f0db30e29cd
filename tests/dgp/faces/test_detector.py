"""Detectors: the registry, and what MTCNN finds where its weights are installed."""

from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest
import torch
from PIL import Image

import dgp
import generators
from dgp.errors import InputError
from dgp.faces.detector import DETECTORS, FaceDetector, MissingDetectorError, find_faces
from dgp.faces.landmarks import Face
from dgp.faces.mtcnn import weights
from dgp.faces.mtcnn.boxes import make_square, suppress
from tests.dgp.faces.scene import POINTS, astronaut


@pytest.fixture
def mtcnn():
    pytest.importorskip("joblib", reason="left out: no face detector; pip install '.[faces]'")
    pytest.importorskip("lz4.frame", reason="left out: no face detector; pip install '.[faces]'")
    try:
        distribution("mtcnn")
    except PackageNotFoundError:
        pytest.skip("left out: no face detector; pip install '.[faces]'")


class Fixed(FaceDetector):
    """Finds what it is told."""

    kind: str = "fixed"
    count: int = 1

    def find(self, picture):
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        return [Face.from_points(POINTS * (1 + k) / 3, 0.5, "fixed 1") for k in range(self.count)]


def test_another_detector_can_be_registered(monkeypatch):
    monkeypatch.setattr(DETECTORS, "_classes", {})
    DETECTORS.register("fixed")(Fixed)
    found = find_faces(np.asarray(astronaut()), "fixed")
    assert len(found) == 1 and "fixed" in DETECTORS.names() and "mtcnn" in DETECTORS.names()
    found = dgp.observe(astronaut(), "gray", generators.load("toy"), align="face", detector=Fixed(count=3))
    sizes = [np.ptp(one.geometry.face.points) for one in (found, *found.others)]
    assert len(sizes) == 3 and sizes == sorted(sizes, reverse=True) and "fixed 1" in found.notes[0]
    with pytest.raises(InputError, match="no face found; give its landmarks by --landmarks FILE"):
        dgp.observe(astronaut(), "gray", generators.load("toy"), align="face", detector=Fixed(count=0))


def test_without_the_package_the_command_is_named(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    weights.load_cascade.cache_clear()
    monkeypatch.setattr(weights, "distribution", missing)
    with pytest.raises(MissingDetectorError, match=r"pip install 'deep-generative-prior\[faces\]', or give") as error:
        find_faces(np.asarray(astronaut()))
    assert error.value.exit_code == 2 and "\n" not in str(error.value)


def test_other_weights_are_refused(mtcnn, monkeypatch):
    weights.load_cascade.cache_clear()
    monkeypatch.setattr(weights, "_read", lambda package, name: b"other")
    with pytest.raises(weights.DetectorWeightsError, match="pnet.lz4 has the sha256"):
        weights.load_cascade()


def test_overlapping_boxes_are_suppressed():
    boxes = torch.tensor([[0.0, 0, 9, 9], [1, 0, 10, 9], [20, 20, 29, 29], [2, 2, 5, 5]])
    scores = torch.tensor([0.8, 0.9, 0.5, 0.7])
    assert suppress(boxes, scores, 0.5).tolist() == [1, 3, 2]
    assert suppress(boxes, scores, 0.5, of_smaller=True).tolist() == [1, 2]
    assert make_square(torch.tensor([[0.0, 0, 10, 4]])).tolist() == [[0, -3, 10, 7]]


@pytest.mark.parametrize("scale", [1, 0.25])
def test_mtcnn_finds_the_astronaut(mtcnn, scale):
    size = round(512 * scale)
    image = astronaut().resize((size, size), Image.Resampling.BICUBIC).convert("L").convert("RGB")
    (face,) = find_faces(np.asarray(image))
    assert np.abs(face.points - ((POINTS + 0.5) * scale - 0.5)).max() < 4 * max(scale, 0.4)
    assert face.score > 0.95 and face.source.startswith("mtcnn ")


def test_mtcnn_finds_no_face_where_there_is_none(mtcnn):
    assert find_faces(np.full((90, 120, 3), 128, np.uint8)) == []
    assert find_faces(np.asarray(astronaut().crop((300, 0, 512, 330)))) == []
