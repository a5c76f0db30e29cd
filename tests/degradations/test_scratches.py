"""Test that structured damage is found, and that undamaged areas are mostly left alone."""

import functools

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from degradations import MaskError, find_damage, parse
from degradations.masks import scratches
from degradations.masks.spots import find_spots
from degradations.operators.wear import draw_wear


@functools.cache
def photograph():
    """The cat that scikit-image carries (CC0). Busier pictures are in benchmarks/quality/scratches.py."""
    from skimage import data

    return Image.fromarray(data.chelsea()).resize((210, 140), Image.Resampling.LANCZOS)


def damaged(picture, **wear):
    """(the picture with the wear on it, (H, W) bool where it is)."""
    mask, paint = draw_wear(picture.size[::-1], 5, **wear)
    over = Image.fromarray(((paint[0, 0] + 1) * 127.5).round().byte().numpy())
    worn_off = picture.copy()
    worn_off.paste(over.convert(picture.mode), mask=Image.fromarray(mask[0, 0].numpy()))
    return worn_off, mask[0, 0].numpy()


def near(mask):
    from scipy import ndimage

    return ndimage.binary_dilation(mask, np.ones((3, 3)))


def scores(picture, truth):
    found = find_damage(picture)[0, 0].numpy()
    return (found & near(truth)).sum() / max(found.sum(), 1), (truth & near(found)).sum() / truth.sum()


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_lines_on_a_photograph_are_found(mode):
    precision, recall = scores(*damaged(photograph().convert(mode), scratches=6, creases=1))
    assert precision > 0.6 and recall > 0.6


def test_large_pictures_are_searched_in_a_copy(monkeypatch):
    large = photograph().resize((840, 560), Image.Resampling.BICUBIC)
    worn, truth = damaged(large, scratches=8, creases=1)
    monkeypatch.setattr(scratches, "LARGE", 100_000)
    monkeypatch.setattr(scratches, "WORKING", 30_000)
    seen, search = [], scratches._find_lines
    monkeypatch.setattr(scratches, "_find_lines", lambda levels: seen.append(levels.size) or search(levels))
    found = find_damage(worn)
    assert found.shape == (1, 1, 560, 840) and seen[0] == pytest.approx(30_000, rel=0.02)
    precision, recall = scores(worn, truth)
    assert recall > 0.5 and precision > 0.4, "by chance precision would be the share of the wear, about 0.04"
    tensor = torch.from_numpy(np.array(worn)).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert (find_damage(tensor) == found).float().mean() > 0.98, "a tensor is averaged likewise"


@pytest.mark.parametrize("kind", ["dust", "blobs", "tears", "scratches"])
@pytest.mark.parametrize("inverted", [False, True])
def test_each_kind_on_a_smooth_ground(kind, inverted):
    ramp = np.linspace(70, 150, 110)[None].repeat(96, 0) + np.linspace(0, 30, 96)[:, None]
    picture = Image.fromarray(ramp.astype(np.uint8))
    picture, truth = damaged(picture, **{kind: {"dust": 12, "blobs": 9, "tears": 1, "scratches": 5}[kind]})
    if inverted:
        picture = picture.point(lambda v: 255 - v)
    precision, recall = scores(picture, truth)
    assert precision > 0.8 and recall > 0.8


def test_little_is_found_where_there_is_nothing():
    assert find_damage(photograph()).float().mean() < 0.02
    assert not find_damage(Image.new("RGB", (64, 48), (90, 120, 140))).any()


def grain(height, width):
    """Dark, slightly rough levels of a photograph."""
    return np.random.default_rng(0).normal(60, 3, (height, width)).clip(0, 255)


@pytest.mark.parametrize("across", [3, 5, 8, 12])
@pytest.mark.parametrize("level", [235, 5])
def test_round_dots_of_any_size_are_found(across, level):
    from scipy import ndimage

    down, along = np.mgrid[:384, :384] + 0.5
    truth = np.hypot(down - 80, along - 120) < across / 2
    soft = ndimage.gaussian_filter(truth.astype(float), 0.7)
    found = find_spots(((grain(384, 384) + 60) * (1 - soft) + level * soft) / 255)
    assert (found & near(truth)).sum() > 0.6 * found.sum() and (truth & near(found)).sum() > 0.9 * truth.sum()


def test_lamps_and_reflections_are_no_damage():
    from scipy import ndimage

    down, along = np.mgrid[:200, :300] + 0.5
    shape = np.hypot(down - 50, (along - 150).clip(-40, 40) - (along - 150)) < 14  # a tube with round ends
    tube = ndimage.gaussian_filter(shape.astype(float), 0.4)
    lamp = np.where(np.random.default_rng(1).random(tube.shape) < 0.8, 255, 249)  # white, but for a few pixels
    levels = grain(200, 300) * (1 - tube) + lamp * tube
    levels += 190 * np.exp(-((down - 140) ** 2 + (along - 90) ** 2) / (2 * 7**2))  # a reflection, which fades out
    found = find_damage(Image.fromarray(levels.clip(0, 255).astype(np.uint8)))
    assert found.float().mean() < 0.002


def test_a_line_is_found_at_any_angle():
    for angle in (0, 0.4, 1.2, 1.57, 2.5):
        picture = Image.new("L", (90, 90), 100)
        way = 33 * np.array([np.cos(angle), np.sin(angle)])
        ImageDraw.Draw(picture).line([tuple(45 - way), tuple(45 + way)], 220, 2)
        precision, recall = scores(picture, np.asarray(picture) == 220)
        assert precision > 0.9 and recall > 0.9, angle


def test_inpaint_takes_the_mask_from_the_picture():
    picture, truth = damaged(photograph(), scratches=6, tears=1)
    phi = parse("gray+inpaint:mask=auto").build(picture)
    found = find_damage(picture)
    assert torch.equal(phi.links[1].missing, found)
    assert torch.equal(phi.unobserved(picture.size[::-1])[0], found[0, 0])
    again = parse(phi.spec).build(picture)
    assert again.assets == phi.assets and len(phi.assets["mask"]["sha256"]) == 64
    y = phi.read(picture)
    assert (y[..., phi.links[1].missing[0, 0]] == 0).all()


def test_refusals():
    with pytest.raises(MaskError, match="finds no scratches"):
        parse("inpaint:mask=auto").build(Image.new("RGB", (64, 48), (90, 120, 140)))
    with pytest.raises(MaskError, match="there is none"):
        parse("inpaint:mask=auto").build(size=(32, 32))
    with pytest.raises(MaskError, match="9x9, which is too small"):
        find_damage(Image.new("L", (9, 9)))
