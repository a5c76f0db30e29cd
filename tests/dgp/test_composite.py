"""The answer stands where the object is; around it the observation stays bit for bit."""

import numpy as np
import pytest
import torch
from PIL import Image

import generators
from dgp.api import observe
from dgp.postprocess.composite import Composite

R = 32
ANSWER = torch.rand(1, 3, R, R, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


def photo(width, height, seed=1):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def object_at(width, height, left, top, right, bottom, level=255):
    levels = np.zeros((height, width), np.uint8)
    levels[top:bottom, left:right] = level
    return levels


def finished(finish, observation, cover=None):
    """(the finished tensor (1, 3, R, R), the picture at the input's size)."""
    image = finish(ANSWER, observation)
    return image, finish.picture(image[0], observation, cover)


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("blend", ["soft", "hard"])
def test_the_surroundings_of_an_intact_photograph_stay(toy, fit, blend):
    image, weight = photo(90, 70), object_at(90, 70, 20, 12, 60, 50)
    weight[11:13, 20:60] = 100
    observation = observe(image, "identity", toy, weight=weight, fit=fit)
    tensor, picture = finished(Composite(blend=blend), observation)
    left, top, right, bottom = observation.geometry.box if fit == "crop" else (0, 0, 90, 70)
    before, after = np.asarray(image)[top:bottom, left:right], np.asarray(picture)
    count = weight[top:bottom, left:right]
    changed = count > (127 if blend == "hard" else 0)
    assert np.array_equal(before[~changed], after[~changed])
    assert (before[count == 255] != after[count == 255]).mean() > 0.9
    share = observation.pixel_weight
    assert torch.equal(torch.where(share == 0, tensor, 0), torch.where(share == 0, observation.y, 0))
    assert torch.allclose(torch.where(share == 1, tensor, 0), torch.where(share == 1, ANSWER, 0))


def test_without_a_weight_the_square_is_the_answers(toy):
    image, cover = photo(64, 64), torch.zeros(1, R, R)
    cover[:, 4:16, 8:24] = 1
    observation = observe(image, "identity", toy)
    _, picture = finished(Composite(), observation, cover)
    before, after = np.asarray(image), np.asarray(picture)
    changed = (before != after).any(-1)
    assert changed[12:28, 20:44].all() and not changed[36:].any() and not changed[:, 52:].any()


def test_what_was_observed_of_the_object_stays_too(toy):
    weight = object_at(64, 64, 10, 10, 50, 50)
    grey = observe(photo(64, 64).convert("L"), "gray", toy, weight=weight)
    _, picture = finished(Composite(), grey)
    pixels = np.asarray(picture)
    around = np.asarray(grey.picture.convert("RGB"))
    assert np.array_equal(pixels[weight == 0], around[weight == 0])
    luma = pixels[weight > 0] @ [0.299, 0.587, 0.114]
    assert np.abs(luma - around[weight > 0][:, 0]).max() < 2 and (pixels[weight > 0].std(-1) > 5).mean() > 0.5
    _, free = finished(Composite(merge=False), grey)
    assert np.abs(np.asarray(free)[weight > 0] @ [0.299, 0.587, 0.114] - around[weight > 0][:, 0]).max() > 20


def test_a_hole_is_filled_wherever_it_is(toy, tmp_path):
    image, hole = photo(200, 120), object_at(200, 120, 100, 60, 120, 80)
    Image.fromarray(hole).save(tmp_path / "hole.png")
    for merge in (True, False):
        weight = object_at(200, 120, 90, 50, 110, 90)
        observation = observe(image, f"inpaint:mask={tmp_path / 'hole.png'}", toy, weight=weight)
        assert observation.geometry.placement == "window"
        _, picture = finished(Composite(merge=merge), observation)
        before, after = np.asarray(image), np.asarray(picture)
        same = (before == after).all(-1)
        assert same[(hole == 0) & ((weight == 0) | merge)].all() and not same[hole > 0].all()
        if not merge:
            assert not same[(weight > 0) & (hole == 0)].all()


def test_where_the_answer_is_larger_the_square_is_composited(toy):
    weight = object_at(8, 8, 2, 2, 6, 6)
    image = photo(40, 40).resize((8, 8), Image.Resampling.BOX)
    observation = observe(image, "sr:4", toy, weight=weight)
    tensor, picture = finished(Composite(), observation)
    assert picture.size == (R, R)
    outside = observation.pixel_weight == 0
    assert torch.equal(torch.where(outside, tensor, 0), torch.where(outside, observation.backdrop, 0))
    assert (observation.degradation(observation.backdrop) - observation.y).abs().max() < 1e-4


def test_around_a_window_nothing_changes(toy):
    image, weight = photo(160, 120), object_at(160, 120, 100, 40, 140, 80)
    observation = observe(image, "identity", toy, weight=weight, fit="object")
    _, picture = finished(Composite(), observation, torch.ones(1, R, R))
    before, after = np.asarray(image), np.asarray(picture)
    assert np.array_equal(before[weight == 0], after[weight == 0])
    assert (before[weight > 0] != after[weight > 0]).mean() > 0.9
