"""Photographs at their own size: strengths in their own pixels, and their damage, from patches."""

import numpy as np
import pytest
import torch
from PIL import Image

import degradations
from degradations.files.pictures import to_picture
from dgp.api import observe
from dgp.identify.photograph import estimator as module
from dgp.identify.photograph import mixture
from dgp.identify.photograph.damage_network import BUNDLED, PATCH_CHAINS, open_network
from dgp.identify.photograph.estimate import estimate_in_photograph, name_units
from dgp.identify.photograph.estimator import BUNDLED_SPECS, bundled_path, patch_estimator
from dgp.identify.photograph.patches import choose_patches
from dgp.identify.photograph.ranking import add_scratches, measure_evidence
from dgp.identify.pictures.photographs import open_photograph
from dgp.identify.ranking import CHAINS, list_candidates
from generators import load


@pytest.fixture(scope="module")
def cat():
    """A photograph that no network was trained on, (1, 3, 256, 384); only factors were calibrated on it."""
    part = open_photograph("chelsea").crop((20, 20, 404, 276))
    return torch.from_numpy(np.array(part)).permute(2, 0, 1)[None].float() / 127.5 - 1


def degrade(x, spec, seed=0):
    return to_picture(degradations.parse(spec).simulate(x, torch.Generator().manual_seed(seed)))


@pytest.fixture(scope="module")
def toy():
    return load("toy")


@pytest.mark.parametrize(
    ("true", "asked", "name", "value", "error"),
    [
        ("blur:3", "blur:sigma=auto", "sigma", 3, 0.3),  # this photograph is not sharp itself
        ("noise:0.1", "noise:sigma=auto", "sigma", 0.1, 0.1),
        ("jpeg:12", "jpeg:quality=auto", "quality", 12, 0.2),
    ],
)
def test_strengths_are_in_the_pixels_of_the_photograph(cat, toy, true, asked, name, value, error):
    observation = observe(degrade(cat, true), asked, toy)
    found = observation.estimates[name]
    assert found.value == pytest.approx(value, rel=error) and 0 < found.spread < value / 2
    assert getattr(observation.whole, name) == found.value, "the run starts there"
    scaled = observation.degradation.unknowns()
    if name in scaled:
        large, small = observation.whole.unknowns()[name], scaled[name]
        there = small.position(getattr(observation.degradation, name))
        assert there == pytest.approx(large.position(found.value), abs=1e-6)


def test_the_direction_of_motion_is_seen(cat):
    for angle in (-50, 35):
        picture = degrade(cat, f"motion-blur:length=10,angle={angle}")
        found = estimate_in_photograph(picture, degradations.parse("motion-blur:length=auto,angle=auto"))
        assert found["angle"].value == pytest.approx(angle, abs=12)
        assert found["length"].value == pytest.approx(10, rel=0.6)


def test_patches_begin_at_blocks_and_leave_out_what_is_hidden():
    steps = torch.arange(320.0).view(1, 1, 1, 320).expand(1, 1, 256, 320)
    picture = to_picture(steps / 160 - 1)
    patches = choose_patches(picture)
    assert patches.shape[1:] == (1, 64, 64) and 8 <= len(patches) <= 32
    lefts = ((patches[:, 0, 0, 0] + 1) * 160).round() % 16
    assert (torch.minimum(lefts, 16 - lefts) <= 1).all(), "within the rounding to 8 bits"
    hidden = np.zeros((256, 320), bool)
    hidden[:, :160] = True
    assert choose_patches(picture, hidden)[:, 0, 0, 0].min() > -0.05
    large = Image.fromarray(np.random.default_rng(0).integers(0, 255, (1500, 2500, 3), dtype=np.uint8))
    assert len(choose_patches(large)) <= 32, "the same cost for any size"


def test_densities_are_normalised_and_flat_ones_hardly_count():
    out = torch.randn(2, 2 * mixture.OUTPUTS, generator=torch.Generator().manual_seed(0))
    wide = torch.linspace(-20, 20, 4001).expand(1, 2, -1)
    inside = (mixture.log_density(out, wide).exp() - mixture.OUTLIERS).sum(-1) * 0.01
    torch.testing.assert_close(inside, torch.full_like(inside, 1 - mixture.OUTLIERS), atol=1e-3, rtol=0)
    sure, vague = torch.zeros(1, 3, mixture.COMPONENTS), torch.zeros(1, 3, mixture.COMPONENTS)
    sure[:, 1], sure[:, 2], vague[:, 1], vague[:, 2] = 0.2, -3, -0.2, 1
    mean, _ = mixture.combine(torch.cat([sure, vague, vague]).flatten(1))
    assert float(mean) == pytest.approx(0.7, abs=0.03)


def test_other_operators_are_learnt_once_and_cached(cat, monkeypatch, tmp_path):
    for name, value in {"COUNT": 80, "GROUPS": 3, "STEPS": 60, "AT_ONCE": 40}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("dgp.identify.pictures.scenes.CANVASES", 2)
    monkeypatch.setattr("dgp.identify.pictures.scenes.CANVAS_SIDE", 320)
    monkeypatch.setattr("dgp.identify.pictures.dead_leaves.MOST", 300)
    monkeypatch.setenv("DGP_CACHE", str(tmp_path))
    module.draw_scenes.__globals__["masters"].cache_clear()
    operator = degradations.parse("noise:sigma=0.02..0.3")
    assert not bundled_path(operator).exists()
    weak, strong = (estimate_in_photograph(degrade(cat, f"noise:{sigma}"), operator) for sigma in (0.03, 0.25))
    assert weak["sigma"].value < strong["sigma"].value
    monkeypatch.setattr(module, "train_estimator", None)
    assert patch_estimator(operator).unknowns.keys() == {"sigma"}
    module.draw_scenes.__globals__["masters"].cache_clear()


def test_what_comes_with_the_package():
    assert BUNDLED.exists()
    for spec in BUNDLED_SPECS:
        assert bundled_path(degradations.parse(spec)).exists(), spec


def test_units_by_name():
    assert name_units(degradations.parse("blur:sigma=auto+noise:sigma=auto"))["blur.sigma"] == "px"


@pytest.mark.parametrize(
    ("spec", "damages"),
    [
        ("jpeg:8", ("jpeg",)),
        ("noise:0.1", ("noise",)),
        ("blur:3", ("blur",)),
        ("gray", ("missing colour",)),
        ("identity", ()),
    ],
)
def test_damage_is_seen_in_patches(cat, spec, damages):
    likelihood, variants = measure_evidence(degrade(cat, spec))
    assert likelihood.shape == (len(PATCH_CHAINS),)
    first = list_candidates(add_scratches(likelihood, -2.0), variants)[0]
    assert first.damages == damages and open_network()[1] > 0


def test_scratches_add_the_same_to_every_chain():
    ratio = add_scratches(torch.zeros(len(PATCH_CHAINS)), 1.5)
    assert all(float(value) == (1.5 if "scratches" in chain else 0) for chain, value in zip(CHAINS, ratio, strict=True))
