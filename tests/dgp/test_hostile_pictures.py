"""Pictures, masks and matrices that mean harm: refused in one line, at once, before anything large is allocated."""

import io
import logging
import os
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

import degradations
from degradations import DegradationError, MaskError
from degradations.files.decoding import FORMATS, MAX_PIXELS, MOST_PIXELS
from degradations.files.masks import read_mask
from degradations.jpeg.tables import read_metadata
from dgp.cli.restore import restore
from dgp.errors import DgpError, InputError
from dgp.faces.landmark_files import read_landmarks
from dgp.observation.images import flatten, open_picture, to_rgb
from dgp.observation.weight_map import open_weight
from dgp.recipes.load import load_recipe
from dgp.runs.settings import RunSettings


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def refused(read, words, *, most=2**22):
    """The line of a refusal, during which little memory is taken."""
    tracemalloc.start()
    with pytest.raises((DgpError, DegradationError), match=words) as caught:
        read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value).isprintable() and peak < most and caught.value.exit_code == 2
    return str(caught.value)


def webp(kind, head):
    chunk = kind + struct.pack("<I", len(head)) + head
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


SIDE = 20_000
HEAD = b"IHDR" + struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
FRAME = b"," + bytes(4) + struct.pack("<HHB", 9, 9, 0) + b"\2"
LYING = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\r" + HEAD + struct.pack(">I", zlib.crc32(HEAD)) + b"\0\0\0\1IDAT" + bytes(5),
    "gif": b"GIF89a" + struct.pack("<HHBBB", SIDE, SIDE, 0, 0, 0) + FRAME,
    "bmp": b"BM" + bytes(8) + struct.pack("<IIiiHHIIiiII", 54, 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0),
    "ppm": b"P6 20000 20000 255\n",
    "webp, extended": webp(b"VP8X", bytes(4) + (SIDE - 1).to_bytes(3, "little") * 2),
    "webp, lossless": webp(b"VP8L", b"\x2f" + ((16383 - 1) | (16383 - 1) << 14).to_bytes(4, "little") + bytes(9)),
    "webp, lossy": webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 16383, 16383) + bytes(9)),
}  # fmt: skip


@pytest.mark.parametrize("kind", LYING)
def test_headers_that_ask_for_too_much(tmp_path, kind):
    path = tmp_path / "photo.png"
    path.write_bytes(LYING[kind])
    assert "--max-pixels" in refused(lambda: open_picture(path), "million")
    refused(lambda: read_mask(str(path), None), "million")
    refused(lambda: open_weight(path, (9, 9)), "million")


def test_the_limit_is_the_users(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(Image.new("L", (30, 20)), "PNG"))
    refused(lambda: open_picture(path, max_pixels=599), "30x20")
    assert open_picture(path, max_pixels=600).size == (30, 20)
    option = next(one for one in restore.params if one.name == "max_pixels")
    assert (option.default, option.type.max) == (MAX_PIXELS, MOST_PIXELS) and RunSettings(
        "gray", "toy"
    ).max_pixels == MAX_PIXELS
    assert MOST_PIXELS == 2 * Image.MAX_IMAGE_PIXELS, "beyond it, Pillow refuses by itself"


def test_a_mask_and_a_weight_may_be_as_large_as_the_picture(tmp_path, monkeypatch):
    for module in ("degradations.files.masks", "dgp.observation.weight_map"):
        monkeypatch.setattr(f"{module}.MAX_PIXELS", 100)
    hole = Image.new("L", (30, 20))
    hole.paste(255, (3, 3, 9, 9))
    path = tmp_path / "mask.png"
    path.write_bytes(encoded(hole, "PNG"))
    assert read_mask(str(path), (20, 30)).missing.shape == (1, 1, 20, 30) and open_weight(path, (30, 20)).values.any()
    refused(lambda: read_mask(str(path), (5, 5)), "expected at most")


def test_a_jpeg_of_many_scans(tmp_path):
    """Each scan of a progressive JPEG goes over all of its pixels, so that a short file could take minutes."""
    whole = encoded(Image.new("RGB", (4096, 4096)), "JPEG", progressive=True)
    scan = whole[whole.index(b"\xff\xda") : whole.index(b"\xff\xda", whole.index(b"\xff\xda") + 2)]
    (tmp_path / "scans.jpg").write_bytes(whole[:-2] + scan * 200 + whole[-2:])
    refused(lambda: open_picture(tmp_path / "scans.jpg"), "a JPEG of 2.. scans", most=2**25)
    (tmp_path / "usual.jpg").write_bytes(whole)
    assert open_picture(tmp_path / "usual.jpg").size == (4096, 4096)


PLACES = {
    "fifo": (os.mkfifo, "regular file"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "regular file"),
    "random": (lambda path: path.symlink_to("/dev/random"), "regular file"),
    "circle": (lambda path: path.symlink_to(path), "(?i)too many levels of symbolic links"),
    "folder": (lambda path: path.mkdir(), "(?i)folder|directory"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_regular_file(tmp_path, kind):
    make, words = PLACES[kind]
    path = tmp_path / "photo.toml"
    make(path)
    for read in (open_picture, read_landmarks, lambda path: open_weight(path, (9, 9))):
        refused(lambda read=read: read(path), words)
    for spec in ("inpaint:mask", "kernel:file", "matrix:file"):
        refused(lambda spec=spec: degradations.parse(f'{spec}="{path}"').build(size=(9, 9)), words)
    refused(lambda: load_recipe(path), f"{words}|no recipe file")


@pytest.mark.parametrize("name", ["a\0b.png", "x" * 5000 + ".png", "y" * 300 + "/a.png"])
def test_names_that_no_file_can_have(name):
    refused(lambda: open_picture(name), "photo|picture")
    refused(lambda: degradations.parse(f'inpaint:mask="{name}"').build(size=(9, 9)), "mask file")


def test_foreign_formats_are_not_tried(tmp_path, monkeypatch):
    """The reader of EPS would start Ghostscript."""
    tried = []
    monkeypatch.setattr("PIL.EpsImagePlugin.EpsImageFile.load", lambda self, **_: tried.append("EPS"))
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    for name, content in (("a.eps", postscript), ("a.png", postscript), ("b.png", b"%PDF-1.7")):
        (tmp_path / name).write_bytes(content)
        refused(lambda name=name: open_picture(tmp_path / name), "expected one of PNG")
    assert tried == [] and not {"EPS", "PDF", "FPX", "WMF", "MIC", "HDF5"} & set(FORMATS)


def test_a_file_of_two_kinds_is_what_it_begins_with(tmp_path):
    picture, archive = encoded(Image.new("RGB", (5, 4), "red"), "PNG"), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.txt", "a")
    (tmp_path / "a.zip").write_bytes(picture + archive.getvalue() + b"<script>alert(1)</script>")
    assert to_rgb(open_picture(tmp_path / "a.zip")).getpixel((0, 0)) == (255, 0, 0)
    (tmp_path / "b.png").write_bytes(archive.getvalue() + picture)
    refused(lambda: open_picture(tmp_path / "b.png"), "got a zip archive")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"]
)
def test_every_mode_becomes_grey_or_rgb(mode):
    flat, alpha = flatten(open_picture(Image.new(mode, (5, 4))))
    assert flat.mode in ("L", "RGB") and flat.size == (5, 4)
    assert (alpha is not None) == (mode in ("LA", "PA", "RGBA"))


def test_nothing_is_printed_by_the_decoders(tmp_path, capfd, recwarn):
    """libtiff and Pillow's reader of tags speak on stderr by themselves."""
    whole = bytearray(encoded(Image.new("RGB", (50, 40), "red"), "TIFF", compression="tiff_deflate"))
    whole[12:20] = bytes(8)
    (tmp_path / "a.tif").write_bytes(whole)
    refused(lambda: open_picture(tmp_path / "a.tif"), "damaged or cut short")
    (tmp_path / "b.tif").write_bytes(encoded(Image.new("RGB", (50, 40)), "TIFF")[:-60])
    with pytest.raises(InputError):
        open_picture(tmp_path / "b.tif")
    with pytest.raises(MaskError):
        read_mask(str(tmp_path / "a.tif"), None)
    assert capfd.readouterr() == ("", "") and not list(recwarn)


def test_what_pillow_logs_is_not_printed(tmp_path):
    """It logs some faults of TIFF files, which Python prints where no handler is set."""
    whole = encoded(Image.new("RGB", (50, 40)), "TIFF")
    samples = struct.pack("<HHIH", 277, 3, 1, 3)
    assert samples in whole
    (tmp_path / "a.tif").write_bytes(whole.replace(samples, struct.pack("<HHIH", 277, 3, 1, 2048)))
    refused(lambda: open_picture(tmp_path / "a.tif"), "not a picture")
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("PIL").handlers)


def test_a_jpeg_without_its_tables():
    """A damaged file may name a quantisation table that it does not have; its quality is then not known."""
    picture = Image.open(io.BytesIO(encoded(Image.new("RGB", (16, 16)), "JPEG")))
    picture.load()
    picture.layer = [(1, 2, 2, 3), (2, 1, 1, 3), (3, 1, 1, 3)]
    assert read_metadata(picture) == {}


def npy(header, data=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + data


def npz(data, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.npy", data)
    return file.getvalue()


MATRICES = {
    "larger than the file": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000)}", bytes(80)),
    "overflow": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967297)}", bytes(80)),
    "negative": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -10)}", bytes(80)),
    "of nothing": npy("{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000, 9)}"),
    "code": npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}", bytes(8)),
    "deep": npy("[" * 100),
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", bytes(8)),
    "bomb": npz(npy("{'descr': '<f8', 'fortran_order': False, 'shape': (7000, 7000)}") + bytes(2**28)),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_matrices_that_lie(tmp_path, kind):
    (tmp_path / "k.npy").write_bytes(MATRICES[kind])
    refused(lambda: degradations.parse(f"matrix:{tmp_path / 'k.npy'}").build(), "cannot be read")


def test_values_that_would_take_forever():
    for spec in ("inpaint:center=1e999999999", "sr:factor=1e999999999", f"sr:{'9' * 5000}", f"jpeg:{'9' * 400}"):
        refused(lambda spec=spec: degradations.parse(spec), "is not|out of range")
    refused(lambda: degradations.parse("+".join(["gray"] * 100)), "a chain of 100 degradations, expected at most 64")
    refused(lambda: degradations.parse("gray" * 10**5), "characters, expected at most")
    assert np.isfinite(float(degradations.parse("inpaint:center=3.3e-1").center))
    tiny = degradations.parse("crop:1.9456612532573532e-264").spec  # written as a fraction of hundreds of digits
    assert degradations.parse(tiny).spec == tiny


def test_landmarks_that_are_no_table(tmp_path):
    for content in (b"x," + b"9" * 200_000, b"1,2\0,3", b"[" * 5000, b"[NaN]", b'{"a": 1e999}', b"\xff\xfe"):
        (tmp_path / "faces.json").write_bytes(content)
        refused(lambda: read_landmarks(tmp_path / "faces.json"), "expected")
