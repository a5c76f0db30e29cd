"""Test that mask files are opened as carefully as pictures: few formats, a size limit, messages of one line."""

import subprocess
import warnings

import numpy as np
import pytest
from PIL import Image

from degradations import Inpaint, MaskError, SpecError, parse
from degradations.files.decoding import FORMATS, MAX_PIXELS


def refusal(path, size=None):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MaskError) as caught:
            parse(f'inpaint:mask="{path}"').build(size=size)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def drawn():
    mask = Image.new("RGB", (12, 10))
    mask.paste("white", (3, 3, 8, 8))
    return mask


def test_every_format_that_pictures_may_have(tmp_path, drawn):
    for form in FORMATS:
        path = tmp_path / f"mask.{form.lower()}"
        drawn.save(path, form)
        mask = parse(f"inpaint:mask={path}").build(size=(10, 12)).unobserved((10, 12))
        assert mask[0, 4:7, 4:7].all() and not mask[0, :2].any()


def test_no_program_is_started_for_a_mask(tmp_path, drawn, monkeypatch):
    def started(*_, **__):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(subprocess, "check_call", started)
    path = tmp_path / "mask.eps"
    drawn.save(path)
    assert "expected one of PNG, JPEG" in refusal(path)


def test_large_masks_are_refused_unread_and_without_a_warning(tmp_path):
    path = tmp_path / "large.png"
    Image.fromarray(np.zeros((10, MAX_PIXELS // 10 + 1), np.uint8)).save(path)
    assert "64 million" in refusal(path, size=(8, 8))
    path = tmp_path / "bomb.pgm"
    path.write_bytes(b"P5 60000 60000 255\n")
    assert f"more than {MAX_PIXELS / 1e6:.0f} million pixels" in refusal(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"%PDF-1.7", "cannot be read as a picture"), (b"P5 10 12 255\nshort", "damaged or cut short")],
)
def test_files_that_are_no_pictures(tmp_path, content, says):
    path = tmp_path / "mask.png"
    path.write_bytes(content)
    assert says in refusal(path)


def test_floating_point_has_no_white(tmp_path):
    path = tmp_path / "mask.tiff"
    Image.fromarray(np.zeros((8, 8), np.float32)).save(path)
    assert "save it as 8-bit PNG" in refusal(path)


HOLE = np.zeros((24, 30), bool)
HOLE[6:16, 8:20] = True


def layer(colour, opacity=1.0):
    """A brush stroke on nothing, its rim less opaque."""
    soft = np.zeros(HOLE.shape)
    soft[5:17, 7:21] = 0.2
    soft[HOLE] = 1
    rgba = np.zeros((*HOLE.shape, 4), np.uint8)
    rgba[soft > 0, :3] = colour
    rgba[..., 3] = np.round(255 * opacity * soft)
    return Image.fromarray(rgba)


def grey(values, dtype=np.uint8):
    return Image.fromarray(values.astype(dtype))


def palette():
    picture = Image.fromarray(np.where(HOLE, 1, 0).astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    return picture


def painted_over_black():
    rgba = np.zeros((*HOLE.shape, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[HOLE, :3] = 255
    rgba[20:, :, 3] = 0
    return Image.fromarray(rgba)


def white_and_black_strokes():
    rgba = np.zeros((*HOLE.shape, 4), np.uint8)
    rgba[:4, :, 3] = 255  # black strokes, to keep
    rgba[HOLE] = 255
    return Image.fromarray(rgba)


def two_colours():
    rgba = np.zeros((*HOLE.shape, 4), np.uint8)
    rgba[HOLE] = (200, 0, 0, 255)
    rgba[6:10, 8:20] = (0, 0, 60, 255)
    return Image.fromarray(rgba)


def erased_photograph():
    rgba = np.random.default_rng(0).integers(0, 256, (*HOLE.shape, 4)).astype(np.uint8)
    rgba[..., 3] = np.where(HOLE, 0, 255)
    return Image.fromarray(rgba)


def opaque():
    picture = grey(np.where(HOLE, 255, 0))
    picture.putalpha(255)
    return picture


STROKES, LIGHT = "painted strokes on a transparent layer", "light strokes on a transparent layer"
# kind -> (picture, file, how it is understood)
FILES = {
    "grey": (grey(np.where(HOLE, 255, 0)), "m.png", "white"),
    "soft grey": (grey(np.where(HOLE, 200, 60)), "m.png", "white"),
    "1 bit": (grey(np.where(HOLE, 255, 0)).convert("1"), "m.png", "white"),
    "palette": (palette(), "m.png", "white"),
    "16 bits": (grey(np.where(HOLE, 65535, 0), np.uint16), "m.png", "white"),
    "8 of 16 bits": (grey(np.where(HOLE, 255, 0), np.uint16), "m.png", "the value 255"),
    "zeros and ones": (grey(np.where(HOLE, 1, 0)), "m.png", "the value 1"),
    "JPEG with ringing": (grey(np.where(HOLE, 255, 0)), "m.jpg", "white"),
    "opaque alpha": (opaque(), "m.png", "white"),
    "opaque alpha, WebP": (opaque(), "m.webp", "white"),
    "white strokes": (layer(255), "m.png", STROKES),
    "white strokes, WebP": (layer(255), "m.webp", STROKES),
    "white strokes, LA": (layer(255).convert("LA"), "m.png", STROKES),
    "white strokes, faint": (layer(255, 0.3), "m.png", STROKES),
    "black strokes": (layer(0), "m.png", STROKES),
    "black strokes of half opacity": (layer(0, 0.5), "m.png", STROKES),
    "alpha alone, TIFF": (layer(0), "m.tiff", STROKES),
    "red strokes": (layer((230, 20, 20)), "m.png", STROKES),
    "green strokes of half opacity": (layer((20, 230, 20), 0.5), "m.png", STROKES),
    "white and black strokes": (white_and_black_strokes(), "m.png", LIGHT),
    "white on black, transparent in part": (painted_over_black(), "m.png", LIGHT),
    "dark strokes of two colours": (two_colours(), "m.png", STROKES),
    "erased photograph": (erased_photograph(), "m.png", "the transparent parts of a picture"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_what_is_painted_is_missing(tmp_path, kind):
    picture, name, how = FILES[kind]
    picture.save(tmp_path / name)
    phi = Inpaint(mask=str(tmp_path / name)).build(size=HOLE.shape)
    assert (phi.missing[0, 0].numpy() == HOLE).all()
    assert phi.remarks == (f"{name}: 17 % of the pixels are missing ({how})",)
    turned = Inpaint(mask=str(tmp_path / name), invert=True).build(size=HOLE.shape)
    assert (turned.missing == ~phi.missing).all()
    assert turned.remarks == (f"{name}: 83 % of the pixels are missing ({how}, inverted)",)


def test_a_palette_with_a_transparent_colour(tmp_path):
    palette().save(tmp_path / "m.gif", transparency=0)
    phi = Inpaint(mask=str(tmp_path / "m.gif")).build(size=HOLE.shape)
    assert (phi.missing[0, 0].numpy() == HOLE).all() and STROKES in phi.remarks[0]


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (Image.new("L", (9, 9)), "says that nothing is missing (white)"),
        (Image.new("L", (9, 9), 255), "says that everything is missing (white)"),
        (Image.new("L", (9, 9), 1), "says that nothing is missing (white)"),
        (Image.new("RGBA", (9, 9)), "says that nothing is missing (nothing is painted on a transparent layer)"),
        (Image.new("RGBA", (9, 9), (0, 0, 0, 128)), "says that everything is missing (painted strokes"),
    ],
)
def test_masks_of_nothing_or_everything(tmp_path, picture, words):
    picture.save(tmp_path / "m.png")
    assert words in refusal(tmp_path / "m.png") and "paint only what is missing" in refusal(tmp_path / "m.png")


def test_inversion_is_recorded_in_the_spec(tmp_path):
    grey(np.where(HOLE, 255, 0)).save(tmp_path / "m.png")
    phi = parse(f"gray+inpaint:mask={tmp_path / 'm.png'},invert=true").build(size=HOLE.shape)
    assert phi.spec.endswith("m.png,invert=true") and phi.remarks == phi.links[1].remarks != ()
    again = parse(phi.spec).build(size=HOLE.shape)
    assert (again.links[1].missing[0, 0].numpy() == ~HOLE).all() and again.spec == phi.spec
    assert parse(f"inpaint:mask={tmp_path / 'm.png'},invert=false").spec == f"inpaint:mask={tmp_path / 'm.png'}"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("inpaint:center=1/3,invert=true", "got center; give mask=FILE"),
        ("inpaint:mask=alpha,invert=true", "got mask=alpha; give mask=FILE"),
        ("inpaint:mask=auto,invert=true", "got mask=auto; give mask=FILE"),
        ("inpaint:mask=m.png,invert=yes", "invert=yes is not true or false"),
    ],
)
def test_inversion_without_a_file(spec, words):
    with pytest.raises(SpecError) as caught:
        parse(spec)
    assert words in str(caught.value)
