"""Faces as windows of one photograph: what is observed, what is kept, and how several are joined."""

import numpy as np
import pytest
import torch
from PIL import Image

import degradations
import dgp
import generators
from dgp.errors import InputError
from dgp.faces.alignment import Alignment
from dgp.faces.landmarks import Face
from dgp.observation.images import to_pil
from tests.dgp.faces.scene import POINTS, astronaut, pair

R = 32


@pytest.fixture(scope="module")
def prior():
    return generators.load("toy")


def look(picture, spec, prior, landmarks, **options):
    return dgp.observe(picture, spec, prior, align="face", landmarks=landmarks, **options)


def shares(observation):
    size = observation.geometry.output_size
    return [one.geometry.alignment.share((0, 0, *size)) for one in (observation, *observation.others)]


def colourful(seed):
    return torch.rand(1, 3, R, R, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_grey_face_is_coloured_in_its_place(prior):
    grey = astronaut().convert("L")
    observation = look(grey, "gray", prior, POINTS)
    square = Alignment.from_face(observation.geometry.face)
    assert np.abs(np.asarray(to_pil(observation.y)).astype(int) - np.asarray(square.picture(grey, R))).max() <= 1
    answer = np.asarray(observation.geometry.to_output(colourful(0)), float)
    (share,), before = shares(observation), np.asarray(grey, float)
    assert (answer[share == 0] == before[share == 0][:, None]).all(), "bit for bit around the face"
    assert np.abs(answer @ (0.299, 0.587, 0.114) - before).max() <= 1.01, "and its luminance inside"
    assert np.ptp(answer[share == 1], axis=1).mean() > 20
    assert observation.picture.mode == "L" and observation.picture.size == grey.size
    assert "1 face aligned" in observation.notes[0] and "left as it is" in observation.notes[0]


def test_two_faces_are_two_observations_of_one_run(prior):
    image, points = pair()
    grey = image.convert("L")
    observation = look(grey, "gray", prior, points)
    assert len(observation.others) == 1 and observation.others[0].y.shape == observation.y.shape
    tiny = dgp.load_recipe("default", ("budget=100",))
    result = dgp.Inversion(observation, prior, tiny, seed=1).result()
    answer, before = np.asarray(result.image, float), np.asarray(grey, float)
    outside = np.maximum(*shares(observation)) == 0
    assert result.image.size == image.size and (answer[outside] == before[outside][:, None]).all()
    alone = [window.observation.geometry.to_output(window.tensor) for window in (result, *result.windows)]
    one, other = shares(observation)
    for picture, mine, theirs in ((alone[0], one, other), (alone[1], other, one)):
        only = (mine > 0) & (theirs == 0)
        assert (np.asarray(picture)[only] == answer[only]).all()
    both = (one > 0) & (other == 1)
    assert both.any() and np.abs(np.asarray(alone[1], float)[both] - answer[both]).max() <= 1, "the later one on top"
    described = result.record()["windows"]
    assert len(described) == 2 and [len(one["face"]["landmarks"]) for one in described] == [5, 5]


def test_a_face_that_is_small_is_observed_at_its_own_resolution(prior):
    """A face of 20 pixels under a blur of one of its pixels: y has 20 pixels, and the blur is of one of them."""
    small = astronaut().resize((60, 60), Image.Resampling.BICUBIC)
    observation = look(small, "blur:1", prior, (POINTS + 0.5) * 60 / 512 - 0.5)
    assert observation.y.shape == (1, 3, 20, 20)
    first, second = observation.degradation.operators()
    assert first.name == "sr" and second.sigma == pytest.approx(1, rel=0.02)
    assert look(small, "gray", prior, (POINTS + 0.5) * 60 / 512 - 0.5).y.shape == (1, 1, R, R), "pointwise: enlarged"
    large = look(astronaut(), "blur:4", prior, POINTS).degradation
    assert float(large.sigma) == pytest.approx(4 * R / 169.6, rel=0.02)


@pytest.mark.parametrize(
    ("side", "seen", "spec"), [(24, 8, "sr:4"), (24, 8, "sr:2"), (60, 20, "sr:4"), (160, 32, "sr:2")]
)
def test_a_small_picture_is_enlarged_with_its_face(prior, side, seen, spec):
    """The observation has as many pixels as the small picture's face, up to the prior's resolution."""
    small = astronaut().resize((side, side), Image.Resampling.BICUBIC)
    observation = look(small, spec, prior, (POINTS + 0.5) * side / 512 - 0.5)
    assert observation.y.shape[-1] == pytest.approx(seen, abs=1)
    assert tuple(observation.degradation.size((R, R))) == tuple(observation.y.shape[-2:])
    times = int(spec[3:])
    answer = observation.geometry.to_output(colourful(0))
    around = small.resize((side * times,) * 2, Image.Resampling.BICUBIC)
    (share,) = shares(observation)
    assert answer.size == around.size and observation.picture.tobytes() == small.tobytes()
    assert (np.asarray(answer)[share == 0] == np.asarray(around)[share == 0]).all()
    assert np.abs(np.asarray(answer)[share == 1].astype(int) - np.asarray(around)[share == 1]).mean() > 2


def test_a_hole_in_a_face_is_filled_and_no_other(tmp_path, prior):
    image, points = pair()
    mask = np.zeros((120, 240), bool)
    mask[60:70, 120:132], mask[100:118, 215:238] = True, True
    path = tmp_path / "mask.png"
    Image.fromarray(np.uint8(mask) * 255).save(path)
    observation = look(image, f"inpaint:mask={path}", prior, points)
    place = observation.geometry
    assert not observation.others, "a face without holes is not restored"
    assert place.missing.sum() == 120 and place.missing[60:70, 120:132].all()
    assert "414 missing pixels lie in no face's square" in observation.notes[-1]
    answer = np.asarray(place.to_output(colourful(0)))
    assert (answer[~place.missing] == np.asarray(image)[~place.missing]).all()
    hidden = observation.degradation.unobserved((R, R))[0]
    turned = Alignment.from_face(place.face).cut(mask[..., None], R, blur=False)[..., 0] > 1e-3
    assert (hidden.numpy() == turned).all()
    with pytest.raises(InputError, match="no hole lies within the square of a face"):
        look(image, "inpaint:box=200-1-239-20", prior, points)


def test_simulation_degrades_the_square_of_the_first_face(prior):
    image, points = pair()
    observation = look(image, "sr:4", prior, points, simulate=True)
    square = Alignment.from_face(observation.geometry.face).picture(image, R)
    assert to_pil(observation.original).tobytes() == square.tobytes()
    assert observation.geometry.output_size == (R, R) and observation.y.shape == (1, 3, 8, 8)
    assert any("1 other face left out" in note for note in observation.notes)


@pytest.mark.parametrize("spec", ["gray", "blur:2", "sr:2"])
def test_simulation_at_the_photographs_size(prior, spec):
    image, points = pair()
    observation = look(image, spec, prior, points, simulate=True, simulate_at="photo")
    assert observation.geometry.output_size == image.size
    shrunk = 0.5 if spec == "sr:2" else 1
    for one, own in zip((observation, *observation.others), points, strict=True):
        square = Alignment.from_face(Face.from_points(own)).picture(image, R)
        assert np.allclose((one.geometry.face.points + 0.5) / shrunk - 0.5, own)
        assert np.abs(np.asarray(to_pil(one.original)).astype(int) - np.asarray(square)).max() <= 1


ALIGNABLE = ["identity", "gray", "fade:0.6", "gamma:2.2", "blur:3", "noise:0.1", "defocus:2", "gray+blur:1+noise:0.05"]
PLACED = [
    "jpeg:30",
    "mosaic",
    "motion-blur:length=9,angle=30",
    "lens:0.2",
    "perspective:0.2",
    "affine:angle=10",
    "photo",
]


@pytest.mark.parametrize("spec", ALIGNABLE)
def test_what_can_be_aligned(prior, spec):
    observation = look(astronaut(), spec, prior, POINTS)
    assert observation.y.shape[-2:] == (R, R)


@pytest.mark.parametrize("spec", PLACED)
def test_what_depends_on_places_and_directions_is_refused(prior, spec):
    with pytest.raises(InputError, match="with --align face, expected operators that do the same") as error:
        look(astronaut(), spec, prior, POINTS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fit": "crop"}, "got fit 'crop' with --align face"),
        ({"weight": np.ones((512, 512))}, "got a weight with --align face"),
        ({"landmarks": POINTS + 1000}, "expected pixels of the picture's 512x512"),
        ({"landmarks": []}, "got no landmarks"),
        ({"detector": "mtcn", "landmarks": None}, "did you mean 'mtcnn'"),
        ({"align": "faces"}, "expected one of none, face"),
        ({"align": "none"}, "add --align face"),
    ],
)
def test_what_is_refused(prior, options, says):
    given = {"align": "face", "landmarks": POINTS} | options
    with pytest.raises(InputError, match=says):
        dgp.observe(astronaut(), "gray", prior, **given)


def test_unknown_values_are_refused(prior):
    with pytest.raises(InputError, match="expected numbers"):
        look(astronaut(), "blur:sigma=auto", prior, POINTS)
    with pytest.raises(InputError, match="name the degradation"):
        look(astronaut(), "auto", prior, POINTS)


def test_the_record_names_the_face(prior):
    observation = look(astronaut(), degradations.parse("gray"), prior, POINTS)
    face = observation.geometry.record()["face"]
    assert np.allclose(face["landmarks"], POINTS) and np.shape(face["quad"]) == (4, 2) and face["source"] == "given"
