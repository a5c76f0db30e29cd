"""Pictures of every kind that people have, and the refusal of what is none."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dgp.errors import DgpError, InputError
from dgp.observation.images import flatten, open_picture, to_pil, to_rgb, to_tensor

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (7, 5, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (7, 5), dtype=np.uint8)


def saved(tmp_path, image, name="a.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_png_modes(tmp_path, mode):
    image = Image.fromarray(GREY.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(COLOUR).convert(mode)
    picture = open_picture(saved(tmp_path, image, "größe 測.png"))
    flat, alpha = flatten(picture)
    assert picture.size == (5, 7) and flat.mode == ("L" if mode in ("1", "L", "LA", "I;16") else "RGB")
    assert to_rgb(picture).mode == "RGB" and (alpha is not None) == (mode in ("LA", "RGBA"))
    if mode == "RGB":
        assert np.array_equal(np.asarray(flat), COLOUR)
    if mode == "I;16":
        assert np.array_equal(np.asarray(flat), GREY), "16 bits are scaled, not clipped"
        assert picture.notes


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV", "F", "I"])
def test_modes_of_other_files_and_of_memory(mode):
    if mode in ("F", "I"):
        image = Image.fromarray(GREY.astype(np.float32) / 255 if mode == "F" else GREY.astype(np.int32) * 257)
    else:
        image = Image.new(mode, (5, 7)) if mode == "LAB" else Image.fromarray(COLOUR).convert(mode)
    flat = flatten(open_picture(image))[0]
    if mode in ("F", "I"):
        assert np.array_equal(np.asarray(flat), GREY)
    elif mode != "LAB":
        assert np.abs(np.asarray(flat).astype(int) - COLOUR).max() <= (12 if mode == "HSV" else 3)


def test_cmyk_jpeg(tmp_path):
    red = Image.new("RGB", (16, 16), (200, 20, 20)).convert("CMYK")
    picture = open_picture(saved(tmp_path, red, "a.jpg", quality=95))
    assert picture.image.mode == "CMYK" and any("CMYK" in note for note in picture.notes)
    assert np.abs(np.asarray(to_rgb(picture)).astype(int) - (200, 20, 20)).max() < 8


def test_transparency_is_laid_on_white_and_kept_apart(tmp_path):
    image = Image.fromarray(COLOUR).convert("RGBA")
    image.putalpha(Image.fromarray((GREY > 127).astype(np.uint8) * 255))
    flat, alpha = flatten(open_picture(saved(tmp_path, image)))
    clear = np.asarray(alpha) == 0
    assert (np.asarray(flat)[clear] == 255).all() and np.array_equal(np.asarray(flat)[~clear], COLOUR[~clear])


def test_a_transparent_palette_entry_and_a_transparent_colour(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    flat, alpha = flatten(open_picture(saved(tmp_path, palette, transparency=0)))
    assert flat.getpixel((0, 0)) == (255, 255, 255) and flat.getpixel((1, 0)) == (200, 100, 50)
    assert alpha.getpixel((0, 0)) == 0
    rgb = Image.new("RGB", (2, 1), (1, 2, 3))
    assert flatten(open_picture(saved(tmp_path, rgb, "b.png", transparency=(1, 2, 3))))[1].getextrema() == (
        0,
        0,
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_upright(tmp_path, orientation):
    image = Image.fromarray(COLOUR)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = open_picture(saved(tmp_path, image, exif=exif))
    expected = {
        1: COLOUR,
        2: COLOUR[:, ::-1],
        3: COLOUR[::-1, ::-1],
        4: COLOUR[::-1],
        5: COLOUR.transpose(1, 0, 2),
        6: np.rot90(COLOUR, -1),
        7: COLOUR.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(COLOUR),
    }
    assert np.array_equal(np.asarray(picture.image), expected[orientation])
    assert bool(picture.notes) == (orientation != 1)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "tif", "gif", "ppm"])
def test_formats_and_first_frame(tmp_path, suffix):
    image = Image.new("RGB", (9, 6), (90, 120, 30))
    more = {"save_all": True, "append_images": [Image.new("RGB", (9, 6))]} if suffix == "gif" else {}
    picture = open_picture(saved(tmp_path, image, f"a.{suffix}", **more))
    assert picture.size == (9, 6)
    assert np.abs(np.asarray(to_rgb(picture)).astype(int) - (90, 120, 30)).max() < 8
    assert bool(picture.notes) == (suffix == "gif")


def test_sources_in_memory_are_one_picture(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOUR))
    tensor = torch.from_numpy(COLOUR.copy()).permute(2, 0, 1).float() / 127.5 - 1
    sources = [
        path,
        str(path),
        Image.fromarray(COLOUR),
        COLOUR,
        COLOUR / 255,
        COLOUR.astype(np.uint16) * 257,
        tensor,
        tensor[None],
    ]
    pictures = [open_picture(source) for source in sources]
    assert len({p.pixels_sha256 for p in pictures}) == 1
    assert pictures[0].path == str(path) and pictures[2].path is None
    assert open_picture(pictures[0]) is pictures[0]
    assert open_picture(GREY).image.mode == "L" and open_picture(GREY[..., None] > 9).image.mode == "L"


@pytest.mark.parametrize(
    "source",
    [
        np.zeros((3, 4, 5), np.uint8),
        np.zeros((2, 0, 3), np.uint8),
        np.full((4, 4), 7.0),
        np.full((4, 4), np.nan),
        np.zeros((4, 4), np.int64),
        torch.zeros(2, 3, 4, 4),
        torch.zeros(4, 4),
        torch.full((3, 4, 4), 2.0),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
        torch.full((3, 4, 4), float("nan")),
        None,
        3,
        Image.new("RGB", (0, 4)),
    ],
)
def test_refusals_in_memory(source):
    with pytest.raises(InputError) as caught:
        open_picture(source)
    assert "\n" not in str(caught.value) and "expected" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "does"),
    [
        (np.full((4, 4), -0.5), "expected [0, 1]; pass (x + 1) / 2"),
        (np.full((4, 4), 200.0), "expected [0, 1]; divide by 255 or pass uint8"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.zeros((4, 4), np.int64), "pass x.astype(np.uint8)"),
        (np.zeros((3, 4, 5), np.uint8), "pass x.transpose(1, 2, 0)"),
        (np.zeros((2, 4, 5, 3), np.uint8), "several pictures as a list"),
        (torch.full((3, 4, 4), 200.0), "expected [-1, 1]; of levels 0 to 255 pass x / 127.5 - 1"),
        (torch.full((3, 4, 4), -2.0), "expected [-1, 1]; scale it first"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "expected floats in [-1, 1]; of levels 0 to 255 pass x / 127.5 - 1"),
        (torch.full((3, 4, 4), float("nan")), "NaN"),
        (torch.zeros(4, 5, 3), "pass x.permute(2, 0, 1)"),
        (torch.zeros(2, 3, 4, 4), "several pictures as a list"),
    ],
)
def test_what_fits_no_range_or_shape_is_told_what_to_pass(source, does):
    with pytest.raises(InputError) as caught:
        open_picture(source)
    assert does in str(caught.value) and "\n" not in str(caught.value)


def test_a_tensor_that_may_be_meant_in_another_range_is_noted():
    x = torch.linspace(0, 1, 48).view(3, 4, 4)
    assert "of [0, 1] pass 2 * x - 1" in open_picture(x).notes[0]
    assert not open_picture(2 * x - 1).notes and not open_picture(torch.zeros(3, 4, 4)).notes


def png(size=(20, 20)):
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"not a picture\n", "not a picture"),
        (png()[:400], "damaged"),
        (png()[:20], "not a picture"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(80), "not a picture"),
        (png()[:-30] + bytes(30), "damaged"),
    ],
)
def test_refusals_of_files(tmp_path, data, word):
    path = tmp_path / "photo.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match=word) as caught:
        open_picture(path)
    assert "\n" not in str(caught.value) and "photo.png" in str(caught.value)


def test_refusals_of_places(tmp_path):
    for path, word in ((tmp_path / "none.png", "no such file"), (tmp_path, "folder")):
        with pytest.raises(InputError, match=word):
            open_picture(path)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path):
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb.getvalue())
    with pytest.raises(InputError, match="million|pixels"):
        open_picture(path)
    with pytest.raises(InputError, match="9x9 = "):
        open_picture(np.zeros((9, 9), np.uint8), max_pixels=80)


def test_tensors_and_back():
    levels = torch.arange(256.0).view(1, 16, 16) / 127.5 - 1
    assert list(to_pil(levels).tobytes()) == list(range(256))
    assert torch.allclose(to_tensor(to_pil(levels))[0], levels, atol=1e-6)
    assert to_tensor(Image.fromarray(COLOUR)).shape == (1, 3, 7, 5)
    assert to_pil(torch.full((3, 1, 1), 0.999 / 127.5 - 1)).getpixel((0, 0)) == (1, 1, 1), "rounded, not truncated"
    assert to_pil(torch.full((3, 1, 1), 9.0)).getpixel((0, 0)) == (255, 255, 255)
    with pytest.raises(DgpError, match="NaN"):
        to_pil(torch.full((3, 1, 1), float("nan")))
