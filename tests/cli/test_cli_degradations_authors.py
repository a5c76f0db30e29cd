"""`dgp degradations new`, `check` and `sheet`, with their exit codes."""

from pathlib import Path

import pytest
from PIL import Image

from degradations import conformance
from degradations.core import registry

HEAD = """
import torch
from degradations import Degradation, Parameter, register

@register("mine")
class Mine(Degradation):
    parameters_spec = (Parameter("gain", 0.5, (0, 1)),)
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_files", {})
    monkeypatch.setattr(conformance, "SIZES", ((12, 12), (13, 11)))


def test_a_new_plugin_is_checked_and_used(call, photo):
    made = call("degradations", "new", "old-film", "-o", "plugins", "--json").json
    assert made == {"name": "old-film", "plugin": "plugins/old_film.py", "test": "plugins/test_old_film.py"}
    checked = call("degradations", "check", "plugins/old_film.py", "--json").json
    assert checked["kept"] and not checked["unusable"] and not checked["advice"]
    assert [one["tried"] for one in checked["checked"]][:2] == ["old-film:0.3 at 12x12", "old-film:0.3 at 13x11"]
    assert len(checked["checked"]) == 5 and checked["plugins"][0]["names"] == ["old-film"]
    options = ("-d", "old-film:0.5", "--plugin", "plugins/old_film.py", "-o", "y.png")
    call("degradations", "preview", photo, *options)
    assert Path("y.png").exists()


def test_what_is_there_is_not_replaced(call):
    call("degradations", "new", "old-film")
    before = Path("old_film.py").read_bytes()
    assert "old_film.py exists, and is not replaced" in call("degradations", "new", "old-film", code=2).stderr
    assert "'gray' already" in call("degradations", "new", "gray", code=3).stderr
    assert "cannot name a degradation" in call("degradations", "new", "Old Film", code=2).stderr
    assert Path("old_film.py").read_bytes() == before


def test_what_is_wrong_is_said_in_words(call, tmp_path):
    (tmp_path / "mine.py").write_text(HEAD + "    linear = True\n    def forward(self, x): return x - self.gain\n")
    said = call("degradations", "check", "mine.py", code=1).stdout
    assert "mine at 12x12: fails" in said
    assert "adjoint: linear is True, but phi(2a - 3b) is not 2 phi(a) - 3 phi(b)" in said
    assert "What to do about adjoint: set linear = False" in said
    found = call("degradations", "check", "mine:0.25", "--plugin", "mine.py", "--json", code=1).json
    assert not found["kept"] and found["checked"][0]["tried"] == "mine:0.25 at 12x12"
    assert {"adjoint"} <= {one["part"] for one in found["checked"][0]["findings"]} & set(found["advice"])


def test_ours_keeps_it(call):
    assert "identity at 12x12: passes" in call("degradations", "check", "identity").stdout


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "    def forward(self, x): return x / self.gian",
            "AttributeError: 'Mine' object has no attribute 'gian' (line 8)",
        ),
        ("    def forward(self, x): return x.log()", "its forward gave NaN for a picture in [-1, 1]"),
        ("    def forward(self, x): return torch.fft.fft2(x)", "gave a complex64 tensor of (1, 3, 256, 256)"),
        ("    def forward(self, x): return x.mean((2, 3))", "gave a float32 tensor of (1, 3) for one row"),
        ("    def __init__(self, gain=None): 1 / 0", "cannot be made from 'mine:0.25': ZeroDivisionError"),
        ("    oops = 1 / 0", "failed: ZeroDivisionError: division by zero (line 8)"),
    ],
)
def test_what_cannot_be_used_is_named(call, tmp_path, body, words):
    (tmp_path / "mine.py").write_text(HEAD + body + "\n")
    refused = call("degradations", "check", "mine:0.25", "--plugin", "mine.py", "--json", code=3)
    (line,) = refused.stderr.strip().splitlines()
    assert words in line and "mine" in line and refused.json["status"] == "failed"
    if "cannot be used" in line:
        assert "'mine', written as mine:0.25, of plugin mine.py" in line
    assert call("degradations", "check", "mine.py", code=3).stderr.startswith("Error: ")


def test_examples_that_cannot_be_built_are_findings(call, tmp_path):
    text = HEAD.replace("0.5, (0, 1)", "bounds=(0, 1), required=True") + "    def forward(self, x): return x\n"
    (tmp_path / "mine.py").write_text(text)
    said = call("degradations", "check", "mine.py", code=1).stdout
    assert "example: mine needs gain: a number from 0 to 1; state one that can be built, as `example`" in said


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mine", "no degradation is called 'mine'"),
        ("sr:0.5", "out of range; expected a number from 1 to 256"),
        ("sr:4,factor=2", "given twice"),
        ("sr:4,sharpness=2", "has no parameter 'sharpness'"),
        ("sr:", "nothing follows the colon"),
    ],
)
def test_specs_that_are_wrong_are_bad_usage(call, spec, words):
    (line,) = call("degradations", "check", spec, code=2).stderr.strip().splitlines()
    assert words in line


def test_a_file_that_is_not_there(call):
    assert "expected a Python file" in call("degradations", "check", "none.py", code=3).stderr


def test_the_sheet(call, photo):
    options = ("--only", "gray", "--only", "inpaint", "--side", "40", "-o", "sheet.png")
    made = call("degradations", "sheet", photo, *options, "--json").json
    assert made["degradations"]["gray"] == ["gray"] and len(made["degradations"]["inpaint"]) == 3
    with Image.open("sheet.png") as page:
        assert page.size == tuple(made["size"]) and page.mode == "RGB"
    assert "no degradation is called 'grey'" in call("degradations", "sheet", "--only", "grey", *options, code=2).stderr
    assert "ends in .png" in call("degradations", "sheet", "-o", "sheet.txt", code=2).stderr


def test_the_sheet_has_a_picture_of_its_own(call):
    call("degradations", "sheet", "--only", "identity", "--side", "64", "-o", "sheet.png")
    with Image.open("sheet.png") as page:
        red, green, blue = page.crop((10, 30, 70, 80)).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert red > green > blue, "an orange suit"


def test_scales(call, tmp_path):
    """A shift by pixels must shrink with the picture, unless it is tied to one size."""
    shift = "    linear = True\n    def forward(self, x): return x.roll(3, -1)\n"
    (tmp_path / "mine.py").write_text(HEAD.split("    parameters")[0] + shift)
    said = call("degradations", "check", "mine.py", code=1).stdout
    assert "scaled: scaled(0.5) on a shrunk picture differs from the shrunk y by" in said
    assert 'What to do about scaled: declare unit="px"' in said
    tied = shift.replace("linear", "scales = False\n    linear")
    (tmp_path / "tied.py").write_text(HEAD.replace("mine", "tied").split("    parameters")[0] + tied)
    said = call("degradations", "check", "tied.py").stdout
    assert said.splitlines()[-1] == "tied: scaled skipped, as it is tied to the size of its pictures"
    assert call("degradations", "check", "tied", "--plugin", "tied.py", "--json").json["skipped"] == {
        "tied": ["scaled"]
    }


def test_units_are_shown(call):
    listed = call("degradations", "list").stdout
    assert "[px: length; degrees: angle]" in listed and "[share of black to white: sigma]" in listed
    assert (
        "sigma: a number from 0.001 to 64, in pixels of the photograph, default 1."
        in call("degradations", "info", "blur").stdout
    )
    sigma = call("degradations", "info", "noise", "--json").json["parameters"][0]
    assert sigma["unit"] == "of black to white"
    assert call("degradations", "info", "motion-blur", "--json").json["parameters"][0]["unit"] == "px"
