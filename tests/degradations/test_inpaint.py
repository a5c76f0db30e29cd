"""Test masks: their sources, their meaning, and the reasons for which they are refused."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from degradations import Chain, Inpaint, MaskError, SizeError, parse


def hole(h=12, w=10, top=3, left=2, bottom=8, right=7):
    mask = np.zeros((h, w), bool)
    mask[top:bottom, left:right] = True
    return mask


def missing(phi):
    return phi.missing[0, 0].numpy()


def save(path, array, mode=None):
    Image.fromarray(array, mode).save(path)
    return path


@pytest.mark.parametrize(("n", "begin", "end"), [(256, 85, 171), (128, 43, 85), (64, 21, 43), (3, 1, 2), (37, 12, 25)])
def test_a_third_as_published(n, begin, end):
    mask = parse("inpaint:center=1/3").mask_at((n, 9))[0, 0, :, 4]
    assert mask.nonzero().flatten().tolist() == list(range(begin, end))


def test_hole_is_exactly_grey_and_the_rest_untouched():
    x = torch.rand(2, 3, 12, 10) * 2 - 1
    y = parse("inpaint:box=2-3-7-8")(x)
    there = torch.from_numpy(hole())
    assert (y[..., there] == 0).all()
    assert torch.equal(y[..., ~there], x[..., ~there])


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P", "I;16"])
def test_white_is_missing(tmp_path, mode):
    eight = Image.fromarray(np.where(hole(), 255, 0).astype(np.uint8))
    sixteen = Image.fromarray(np.where(hole(), 65535, 0).astype(np.uint16))
    white = sixteen if mode == "I;16" else eight.convert(mode)
    white.save(tmp_path / "m.png")
    phi = parse(f'inpaint:mask="{tmp_path / "m.png"}"').build(size=(12, 10))
    assert (missing(phi) == hole()).all()
    assert phi.assets == {
        "mask": {
            "sha256": hashlib.sha256((tmp_path / "m.png").read_bytes()).hexdigest(),
            "path": str(tmp_path / "m.png"),
        }
    }
    assert phi.spec == parse(phi.spec).spec


@pytest.mark.parametrize("colour", [0, 90, 255])
def test_transparent_is_missing(tmp_path, colour):
    """Erased parts of a photograph, whatever colour lies under them; bright parts that remain are kept."""
    rgba = np.random.default_rng(0).integers(0, 256, (12, 10, 4)).astype(np.uint8)
    rgba[..., 3] = np.where(hole(), 0, 255)
    rgba[hole(), :3] = colour
    phi = Inpaint(mask=str(save(tmp_path / "m.png", rgba))).build(size=(12, 10))
    assert (missing(phi) == hole()).all()


def test_a_transparent_spot_of_a_black_and_white_mask_is_not_missing(tmp_path):
    """A layer is laid over black."""
    rgba = np.zeros((12, 10, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[hole(), :3] = 255
    rgba[0, 0, 3] = 0
    phi = Inpaint(mask=str(save(tmp_path / "m.png", rgba))).build()
    assert (missing(phi) == hole()).all()


def test_file_size_must_be_the_pictures(tmp_path):
    save(tmp_path / "m.png", np.where(hole(), 255, 0).astype(np.uint8))
    phi = Inpaint(mask=str(tmp_path / "m.png"))
    with pytest.raises(MaskError, match="10x12 and the picture 32x30"):
        phi.build(Image.new("RGB", (32, 30)))
    assert missing(phi.build(Image.new("RGB", (10, 12)))).shape == (12, 10)


def test_camera_orientation_is_respected(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.where(hole(), 255, 0).astype(np.uint8)).save(tmp_path / "m.png", exif=exif)
    phi = Inpaint(mask=str(tmp_path / "m.png")).build(size=(10, 12))
    assert (missing(phi) == np.rot90(hole(), -1)).all()


def test_unusable_files(tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    save(tmp_path / "black.png", np.zeros((4, 4), np.uint8))
    save(tmp_path / "white.png", np.full((4, 4), 255, np.uint8))
    good = save(tmp_path / "good.png", np.random.default_rng(0).integers(0, 256, (99, 99)).astype(np.uint8))
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:500])
    for name, words in {
        "none.png": "no such file",
        ".": "is a directory",
        "text.png": "cannot be read",
        "empty.png": "is empty",
        "black.png": "nothing missing",
        "white.png": "nothing of the picture",
        "cut.png": "damaged or cut short",
    }.items():
        with pytest.raises(MaskError, match=words) as caught:
            Inpaint(mask=str(tmp_path / name)).build()
        assert "\n" not in str(caught.value)


def test_alpha_of_the_picture():
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8))
    cut = photo.copy()
    cut.putalpha(Image.fromarray(np.where(hole(), 0, 255).astype(np.uint8)))
    for phi in (
        parse("inpaint:mask=alpha"),
        parse("gray+inpaint:mask=alpha"),
        parse("inpaint:mask=alpha+gray"),
    ):
        built = phi.build(cut)
        assert (built.unobserved((12, 10))[0].numpy() == hole()).all()
        y = built.read(cut)
        assert (y[0, :, torch.from_numpy(hole())] == 0).all()
        picture = built.picture(y)
        assert picture.mode in ("LA", "RGBA")
        assert (np.asarray(picture.getchannel("A")) == np.where(hole(), 0, 255)).all()
        torch.testing.assert_close(phi.build(picture).read(picture), y, rtol=0, atol=1.001 / 255)
        with pytest.raises(MaskError, match="mode RGB"):
            phi.build(photo)
        with pytest.raises(MaskError, match="there is none"):
            phi.build()
    seen = torch.from_numpy(np.asarray(photo).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    there = torch.from_numpy(~hole())
    assert torch.equal(parse("inpaint:mask=alpha").build(cut).read(cut)[..., there], seen[..., there])


def test_palette_transparency_counts(tmp_path):
    picture = Image.fromarray(np.where(hole(), 1, 0).astype(np.uint8), "P")
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.save(tmp_path / "p.gif", transparency=1)
    with Image.open(tmp_path / "p.gif") as opened:
        assert (missing(parse("inpaint:mask=alpha").build(opened)) == hole()).all()


@pytest.mark.parametrize("text", ["inpaint:strokes=0.3", "inpaint:pixels=0.3"])
def test_seeded_masks(text):
    a, b, c = (parse(text).build(seed=seed, size=(40, 31)) for seed in (1, 1, 2))
    assert torch.equal(a.missing, b.missing)
    assert not torch.equal(a.missing, c.missing)
    assert 0.3 - 1e-3 <= a.missing.float().mean() < 0.4
    assert a.spec == text + ",seed=1"
    assert torch.equal(parse(a.spec).build(seed=9, size=(40, 31)).missing, a.missing)
    assert a.assets["mask"]["sha256"] == b.assets["mask"]["sha256"] != c.assets["mask"]["sha256"]
    assert parse(text).spec == text, "the operator that was built from is as it was"
    with pytest.raises(MaskError, match="needs a size"):
        parse(text).build()
    with pytest.raises(MaskError, match="not resolved yet"):
        parse(text)(torch.zeros(1, 3, 40, 31))


def test_strokes_hold_together():
    """Strokes, unlike pixels, have missing neighbours."""
    mask = parse("inpaint:strokes=0.3").build(size=(64, 64)).missing
    alike = (mask[..., 1:] == mask[..., :-1]).float().mean()
    assert alike > 0.9


def test_masks_in_memory():
    mask = torch.from_numpy(hole())[None, None]
    phi = Inpaint.of(mask)
    assert torch.equal(phi.unobserved((12, 10)), mask[0])
    assert phi.assets["mask"]["sha256"] in phi.spec
    assert phi.build() is phi
    with pytest.raises(MaskError, match="in memory"):
        parse(phi.spec).build(size=(12, 10))
    for wrong in (mask.float(), mask[0], mask.expand(1, 3, 12, 10)):
        with pytest.raises(MaskError, match="expected bool"):
            Inpaint.of(wrong)
    for useless in (torch.zeros_like(mask), torch.ones_like(mask)):
        with pytest.raises(MaskError):
            Inpaint.of(torch.cat([mask, useless]))
    mask[:] = False
    assert phi.missing.any(), "the operator has its own copy"


def test_a_mask_for_each_row():
    mask = torch.rand(3, 1, 12, 10, generator=torch.Generator().manual_seed(0)) < 0.4
    x, y = torch.rand(3, 3, 12, 10) * 2 - 1, torch.rand(3, 1, 12, 10) * 2 - 1
    phi = Inpaint.of(mask)
    assert torch.equal(phi(x), torch.cat([Inpaint.of(mask[i : i + 1])(x[i : i + 1]) for i in range(3)]))
    assert phi.unobserved((12, 10)).shape == (3, 12, 10)
    merged = Chain([parse("gray"), phi]).merge(x, phi(y))
    seen = ~mask
    torch.testing.assert_close(parse("gray")(merged)[seen], y[seen], rtol=0, atol=1e-6)
    with pytest.raises(SizeError, match="2 rows and 3 masks"):
        phi(x[:2])


def test_a_mask_fits_one_size():
    phi = parse("inpaint:pixels=0.2").build(size=(12, 10))
    with pytest.raises(SizeError, match="got a picture of 12x12; this mask is 10x12"):
        phi(torch.zeros(1, 3, 12, 12))
    with pytest.raises(SizeError):
        phi.read(Image.new("RGB", (12, 12)))
    with pytest.raises(SizeError, match="does not lie within"):
        parse("inpaint:box=0-0-13-4").build(size=(12, 10))
    with pytest.raises(MaskError, match="nothing missing"):
        parse("inpaint:center=1/20").build(size=(12, 10))


def test_chains_build_each_link_for_its_size():
    phi = parse("inpaint:pixels=0.2+sr:2+inpaint:pixels=0.3").build(seed=1, size=(12, 10))
    assert [tuple(link.missing.shape[-2:]) for link in (phi.links[0], phi.links[2])] == [(12, 10), (6, 5)]
    assert set(phi.assets) == {"inpaint.mask", "inpaint2.mask"}
    assert phi.asked == "inpaint:pixels=0.2+sr:2+inpaint:pixels=0.3"
    phi = parse("sr:2+inpaint:pixels=0.3").build(Image.new("RGB", (5, 6)), seed=1)
    assert tuple(phi.links[1].missing.shape[-2:]) == (6, 5)
    with pytest.raises(MaskError, match="needs a size"):
        parse("inpaint:pixels=0.2+sr:2").build(Image.new("RGB", (5, 6)))


def test_unobserved_through_resampling():
    size = (16, 16)
    assert parse("gray+sr:2").unobserved(size) is None
    phi = parse("sr:factor=2,filter=box+inpaint:box=2-2-5-5")
    expected = torch.zeros(1, 16, 16, dtype=torch.bool)
    expected[:, 4:10, 4:10] = True
    assert torch.equal(phi.unobserved(size), expected)
    # a bicubic pixel reaches 4 pixels to each side of its centre (less where a weight is zero), so 3 of 12 go
    # at each end
    wide = parse("sr:factor=2,filter=bicubic+inpaint:box=1-1-7-7").unobserved(size)[0].nonzero()
    assert wide.min() == 5
    assert wide.max() == 10
    both = parse("inpaint:box=0-0-3-3+sr:factor=2,filter=box+inpaint:box=2-2-5-5").unobserved(size)
    expected[:, :3, :3] = True
    assert torch.equal(both, expected)
