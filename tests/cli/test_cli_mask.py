"""Masks that are found: written beside the result, and by `dgp degradations mask`, to be corrected and given back."""

import numpy as np
from PIL import Image, ImageDraw

from degradations import find_damage


def scratched(tmp_path):
    """A smooth picture with two bright lines, and where they are."""
    ramp = np.linspace(70, 150, 64)[None].repeat(48, 0) + np.linspace(0, 30, 48)[:, None]
    picture = Image.fromarray(ramp.astype(np.uint8)).convert("RGB")
    where = Image.new("L", picture.size)
    for image, value in ((picture, (250, 250, 250)), (where, 255)):
        ImageDraw.Draw(image).line([(5, 6), (50, 40)], value)
        ImageDraw.Draw(image).line([(40, 2), (34, 45)], value)
    picture.save(tmp_path / "old.png")
    return picture, np.asarray(where) > 0


def test_the_mask_lies_beside_the_result_and_is_taken_back(call, toy, tmp_path):
    picture, where = scratched(tmp_path)
    found = call("inpaint", "old.png", "--mask", "auto", *toy, "--json").json
    mask = np.asarray(Image.open(tmp_path / "out/old/mask.png")) > 0
    assert (mask == find_damage(picture)[0, 0].numpy()).all() and (mask & where).sum() > 0.9 * where.sum()
    assert found["degradation"]["spec"] == "inpaint:mask=auto"
    assert len(found["degradation"]["assets"]["mask"]["sha256"]) == 64
    seen, kept = (np.asarray(Image.open(tmp_path / name))[~mask] for name in ("old.png", "out/old/restored.png"))
    assert np.array_equal(seen, kept)
    corrected = call("inpaint", "old.png", "--mask", "out/old/mask.png", *toy, "-o", "again", "--json").json
    assert corrected["degradation"]["assets"]["mask"]["path"] == "out/old/mask.png"
    assert not (tmp_path / "again/old/mask.png").exists(), "that one is the user's"
    first, second = (Image.open(tmp_path / name / "old/restored.png").tobytes() for name in ("out", "again"))
    assert first == second


def test_a_mask_on_its_own(call, tmp_path):
    picture, where = scratched(tmp_path)
    told = call("degradations", "mask", "old.png", "-o", "mask.png", "--json").json
    mask = Image.open(tmp_path / "mask.png")
    assert mask.mode == "L" and list(mask.size) == told["size"] and 0 < told["share"] < 0.3
    assert ((np.asarray(mask) > 0) & where).sum() > 0.9 * where.sum()
    assert "look damaged" in call("degradations", "mask", "old.png", "-o", "mask.png").stdout
    assert "ends in .png" in call("degradations", "mask", "old.png", "-o", "mask.jpg", code=2).stderr


def test_where_nothing_is_found_it_is_said(call, toy, tmp_path):
    Image.new("RGB", (64, 48), (90, 120, 140)).save(tmp_path / "clean.png")
    assert "finds no scratches" in call("inpaint", "clean.png", "--mask", "auto", *toy, code=2).stderr


def test_a_painted_layer_is_understood_and_can_be_turned_round(call, toy, tmp_path):
    Image.new("RGB", (64, 48), (90, 120, 140)).save(tmp_path / "photo.png")
    layer = Image.new("RGBA", (64, 48))
    layer.paste((255, 255, 255, 255), (8, 8, 40, 32))  # a quarter
    layer.save(tmp_path / "layer.png")
    said = call("inpaint", "photo.png", "--mask", "layer.png", *toy, "--json")
    note = "layer.png: 25 % of the pixels are missing (painted strokes on a transparent layer)"
    assert note in said.stderr and note in said.json["notes"]
    keep = Image.new("RGB", layer.size, "white")
    keep.paste("black", (8, 8, 40, 32))
    keep.save(tmp_path / "keep.png")
    turned = call("inpaint", "photo.png", "--mask", "keep.png", "--invert-mask", *toy, "-o", "again", "--json").json
    assert turned["degradation"]["spec"] == "inpaint:mask=keep.png,invert=true"
    first, second = (Image.open(tmp_path / name / "photo/restored.png").tobytes() for name in ("out", "again"))
    assert first == second


def test_only_a_mask_file_is_turned_round(call, toy, tmp_path):
    Image.new("RGB", (64, 48), (90, 120, 140)).save(tmp_path / "photo.png")
    for more in (("--hole", "1/3"), ("--mask", "auto"), ()):
        assert "give --mask FILE" in call("inpaint", "photo.png", *more, "--invert-mask", *toy, code=2).stderr
