"""Mask files are opened as carefully as pictures: few formats, a limit, one line for what is refused."""

import subprocess
import warnings

import numpy as np
import pytest
from PIL import Image

from degradations import MaskError, parse
from degradations.pictures import FORMATS, MAX_PIXELS


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
    assert f"more than {MAX_PIXELS} pixels" in refusal(path)


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
