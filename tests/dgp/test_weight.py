"""What counts of an observation: a map of the input's size, fitted with it, and part of what a run is."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import generators
from dgp.api import observe
from dgp.errors import InputError
from dgp.observation.weight_map import open_weight
from dgp.output.run_folder import differences, run_identity


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


def photo(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def object_at(width, height, left, top, right, bottom):
    levels = np.zeros((height, width), np.uint8)
    levels[top:bottom, left:right] = 255
    return levels


def test_a_weight_comes_from_files_arrays_tensors_and_cut_outs(tmp_path):
    levels = object_at(6, 4, 1, 1, 4, 3)
    levels[0, 0] = 51
    Image.fromarray(levels).save(tmp_path / "weight.png")
    expected = levels / np.float32(255)
    found = [open_weight(source, (6, 4)) for source in (tmp_path / "weight.png", levels, torch.from_numpy(expected))]
    assert all(np.allclose(one.values, expected) for one in found)
    assert found[0].sha256 == found[1].sha256 and found[0].path == str(tmp_path / "weight.png")
    cut_out = photo(6, 4)
    cut_out.putalpha(Image.fromarray(levels))
    assert np.array_equal(open_weight(cut_out, (6, 4)).values, expected)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (np.zeros((4, 6), np.uint8), "entirely black"),
        (np.ones((6, 4), np.uint8), "is 4x6 and the picture 6x4"),
        (torch.full((4, 6), 2.0), r"outside \[0, 1\]"),
        (torch.ones(3, 4, 6), "expected"),
        ("nowhere.png", "no such file"),
        (3, "got int"),
    ],
)
def test_what_is_no_weight_is_told_in_one_line(source, says):
    with pytest.raises(InputError, match=says) as caught:
        open_weight(source, (6, 4))
    assert "\n" not in str(caught.value)


def test_a_weight_is_fitted_as_its_picture_is(toy):
    weight = object_at(60, 40, 0, 0, 30, 40)
    stretched = observe(photo(60, 40), "gray", toy, weight=weight)
    assert stretched.weight.shape == (1, 1, 32, 32)
    assert torch.equal(stretched.weight[0, 0, 0], (torch.arange(32) < 16).float())
    cropped = observe(photo(60, 40), "identity", toy, weight=weight, fit="crop").weight
    assert torch.equal(cropped[0, 0, 0], (torch.arange(32) < 16).float())
    padded = observe(photo(60, 40), "identity", toy, weight=np.full((40, 60), 255, np.uint8), fit="pad").weight
    assert float(padded[0, 0, 0].max()) == 0 and float(padded[0, 0, 16].min()) == 1
    small = observe(photo(40, 40), "sr:4", toy, weight=object_at(40, 40, 0, 0, 20, 40), simulate=True)
    assert torch.equal(small.weight[0, 0, 0], (torch.arange(8) < 4).float())
    assert small.pixel_weight.shape == (1, 1, 32, 32)
    corner = object_at(60, 40, 0, 0, 5, 40)
    with pytest.raises(InputError, match="part of the picture that is used"):
        observe(photo(60, 40), "identity", toy, weight=corner, fit="crop")


def test_the_weight_is_part_of_what_a_run_is(toy):
    recipe = SimpleNamespace(name="r", sha256="0")
    identity = lambda weight: run_identity(observe(photo(8, 8), "gray", toy, weight=weight), toy, recipe, seed=0)  # noqa: E731
    plain, one, other = (identity(w) for w in (None, np.eye(8), np.eye(8)[::-1].copy()))
    assert plain["weight"] is None and one["weight"]["sha256"] != other["weight"]["sha256"]
    assert differences(one, identity(np.eye(8))) == []
    assert differences(one, other)[0].startswith("weight: ") and differences(plain, one)
    del plain["weight"]  # as results of earlier versions are
    assert differences(plain, identity(None)) == []
    set_by_hand = dataclasses.replace(observe(photo(8, 8), "gray", toy), weight=torch.ones(1, 1, 32, 32))
    assert run_identity(set_by_hand, toy, recipe, seed=0)["weight"]["sha256"]


@pytest.mark.parametrize("spec", ["identity", "gray"])
def test_a_square_around_the_object_is_worked_in_and_put_back(toy, spec):
    image = photo(160, 120).convert("L" if spec == "gray" else "RGB")
    observation = observe(image, spec, toy, weight=object_at(160, 120, 100, 40, 140, 80), fit="object")
    assert observation.geometry.box == (96, 36, 144, 84) and observation.geometry.placement == "window"
    cut = observe(image.crop((96, 36, 144, 84)), spec, toy)
    assert torch.equal(observation.y, cut.y) and observation.pixel_weight[0, 0].mean() > 0.6
    answer = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    restored = observation.geometry.to_output(answer)
    inside = np.asarray(cut.geometry.to_output(answer))
    before, after = np.asarray(image.convert("RGB")), np.asarray(restored).copy()
    assert np.array_equal(after[36:84, 96:144], inside)
    after[36:84, 96:144] = before[36:84, 96:144]
    assert np.abs(after.astype(int) - before).max() <= (1 if spec == "gray" else 0)


def test_the_square_around_the_object_lies_in_the_picture(toy):
    edge = observe(photo(160, 120), "identity", toy, weight=object_at(160, 120, 130, 90, 160, 120), fit="object")
    assert edge.geometry.box == (124, 84, 160, 120)
    tiny = observe(photo(160, 120), "identity", toy, weight=object_at(160, 120, 0, 0, 4, 4), fit="object")
    assert tiny.geometry.box == (0, 0, 32, 32)
    wide = observe(photo(160, 120), "identity", toy, weight=object_at(160, 120, 0, 50, 160, 60), fit="object")
    assert wide.geometry.placement == "stretch"
    simulated = observe(
        photo(160, 120), "sr:4", toy, weight=object_at(160, 120, 100, 40, 140, 80), fit="object", simulate=True
    )
    assert simulated.geometry.box == (96, 36, 144, 84) and simulated.y.shape == (1, 3, 8, 8)
    with pytest.raises(InputError, match="without a weight"):
        observe(photo(160, 120), "identity", toy, fit="object")
    with pytest.raises(InputError, match="outside the square around the object"):
        observe(
            photo(160, 120),
            "inpaint:box=0-0-20-20",
            toy,
            weight=object_at(160, 120, 100, 40, 140, 80),
            fit="object",
        )
