"""Answers at the photograph's own size: detail stays, tiles change nothing, harm and lack of detail are said."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

import dgp
import generators
from dgp.observation.full_size import photograph as photographs
from dgp.observation.images import to_tensor
from dgp.observation.resizing import fit_picture

QUICK = ("budget=100",)


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def clean():
    return Image.fromarray(data.astronaut()[:180, 120:340])


def psnr(a, b):
    return -10 * np.log10(np.square(np.asarray(a.convert("RGB")).astype(float) - np.asarray(b)).mean() / 255**2)


def simulate(clean, spec, toy, **options):
    return dgp.observe(clean, spec, toy, simulate=True, simulate_at="photo", **options)


def best_answer(observation):
    """What a perfect prior of this resolution would give: the clean picture, shrunk."""
    side = observation.geometry.resolution
    return to_tensor(fit_picture(observation.clean, observation.geometry.box, (side, side)))


@pytest.mark.parametrize(
    ("spec", "gain"),
    [("fade:0.6", 20), ("gamma:2", 15), ("noise:0.1", 4), ("blur:2", 0.5), ("scanlines", 5), ("gray+fade:0.5", 4)],
)
def test_answers_are_better_than_the_photograph(clean, toy, spec, gain):
    observation = simulate(clean, spec, toy)
    answer = observation.geometry.to_output(best_answer(observation))
    assert psnr(answer, clean) > psnr(observation.picture, clean) + gain
    enlarged = observation.geometry.to_output(best_answer(observation), merge=False)
    assert psnr(answer, clean) > psnr(enlarged, clean)


@pytest.mark.parametrize("spec", ["fade:0.6", "gray", "inpaint:center=1/3", "blur:1", "jpeg:30", "photo", "mosaic"])
def test_tiles_change_nothing(clean, toy, spec, monkeypatch):
    observation = simulate(clean, spec, toy, fit="stretch")
    answer = best_answer(observation)
    whole = observation.geometry.to_output(answer)
    monkeypatch.setattr(photographs, "TILE", 96)
    monkeypatch.setattr(photographs, "POINTWISE_TILE", 96)
    tiled = observation.geometry.to_output(answer)
    difference = np.abs(np.asarray(whole).astype(int) - np.asarray(tiled))
    # Deconvolution of a noisy picture stops by the noise of each tile.
    assert difference.mean() < (2 if spec == "photo" else 0.3)


def test_the_operator_is_scaled_with_the_picture(clean, toy):
    observation = simulate(clean, "blur:3", toy)
    factor = (32 * 32 / (220 * 180)) ** 0.5
    assert observation.degradation.sigma == pytest.approx(3 * factor)
    assert observation.whole.sigma == 3 == observation.geometry.photograph.operator.sigma


def test_effective_resolution(clean, toy):
    found = {spec: simulate(clean, spec, toy).effective_resolution for spec in ("blur:1", "blur:4", "gray", "fade:0.6")}
    assert found["fade:0.6"].luma == found["fade:0.6"].chroma == (220, 180) == found["gray"].luma
    assert max(found["gray"].chroma) < 1.5 * 32
    assert found["blur:4"].luma[0] < 0.6 * found["blur:1"].luma[0]
    hole = simulate(clean, "inpaint:center=1/8", toy).effective_resolution
    assert hole.luma == (220, 180) and hole.record()["unobserved"][0] < 220


def test_lack_of_detail_is_said_before_the_run(clean, toy):
    assert not any("detail" in note for note in simulate(clean, "fade:0.6", toy).notes)
    notes = simulate(clean, "blur:5", toy).notes
    assert any("not of its 220x180" in note and "biggan-deep" in note for note in notes)


def test_simulation_at_the_photographs_size_is_measured_there(clean, toy, tmp_path):
    result = dgp.restore(clean, "fade:0.6", toy, simulate=True, simulate_at="photo", overrides=QUICK)
    record = result.record()
    at_size = record["full_size"]
    assert at_size["size"] == [220, 180] and record["simulate_at"] == "photo"
    assert at_size["metrics"]["psnr"]["value"] > at_size["metrics"]["psnr_untouched"]["value"] + 20
    assert at_size["metrics"]["psnr"]["value"] == pytest.approx(psnr(result.image, clean), abs=1e-6)
    assert at_size["worse_than_untouched"] is None and not at_size["unchanged"]
    assert record["metrics"]["psnr"]["value"] is not None, "at the prior's resolution as well"
    with pytest.raises(dgp.InputError, match="without simulating"):
        dgp.observe(clean, "gray", toy, simulate_at="photo")


def test_harm_is_said(clean, toy):
    options = {"simulate": True, "simulate_at": "photo", "overrides": QUICK}
    left = dgp.restore(clean, "noise:0.05", toy, merge=False, **options)
    assert "PSNR" in left.full_size.harm
    assert dgp.restore(clean, "noise:0.05", toy, **options).full_size.harm is None
    unknown = dgp.restore(clean, "blur:1", toy, merge=False, overrides=QUICK)
    assert "degraded again" in unknown.full_size.harm, "without the clean picture, by fidelity"


def test_an_intact_photograph_stays_as_it_is(clean, toy):
    result = dgp.restore(clean, "identity", toy, overrides=QUICK)
    assert result.image.tobytes() == clean.tobytes() and result.full_size.unchanged


def test_each_group_of_holes_has_a_window(clean, toy, tmp_path):
    mask = np.zeros((180, 220), np.uint8)
    mask[20:32, 20:34], mask[140:150, 180:190], mask[34:36, 24:26] = 255, 255, 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    spec = f"inpaint:mask={tmp_path / 'mask.png'}"
    observation = dgp.observe(clean, spec, toy)
    assert len(observation.others) == 1, "near holes share a window"
    assert observation.key != observation.others[0].key
    result = dgp.restore(clean, spec, toy, overrides=QUICK)
    before, after = np.asarray(clean), np.asarray(result.image)
    assert np.array_equal(before[mask == 0], after[mask == 0])
    assert (np.asarray(observation.picture)[mask > 0] == 128).all() and (after[mask > 0] != 128).any(1).mean() > 0.9
    record = result.record()
    assert len(record["windows"]) == 2 and record["evaluations"]["cost"] > result.windows[0].evaluations["cost"]
    folder = result.save(tmp_path / "out")
    assert (folder / "window2-latents.safetensors").exists()
    dgp.restore(clean, "identity", toy, overrides=QUICK).save(folder)
    assert not (folder / "window2-latents.safetensors").exists(), "files of the earlier run are removed"


def test_fillings_have_the_photographs_grain(toy):
    random = np.random.default_rng(0)
    noisy = Image.fromarray(np.clip(128 + random.normal(0, 6, (200, 200, 3)), 0, 255).round().astype(np.uint8))
    observation = dgp.observe(noisy, "inpaint:box=80-80-120-120", toy)
    answer = np.asarray(observation.geometry.to_output(torch.zeros(3, 32, 32))).astype(float)[84:116, 84:116]
    assert answer.std() == pytest.approx(6, rel=0.3)
    smooth = Image.new("RGB", (200, 200), (90, 120, 60))
    observation = dgp.observe(smooth, "inpaint:box=80-80-120-120", toy)
    assert np.asarray(observation.geometry.to_output(torch.zeros(3, 32, 32)))[84:116, 84:116].std(0).max() < 1
