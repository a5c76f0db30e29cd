"""Recipes, result folders and units that mean harm are refused in one line; what they hold is only ever data."""

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from dgp.errors import DgpError, InputError, OutputError, RecipeError
from dgp.evaluation.source import Source
from dgp.evaluation.units import Unit
from dgp.files import parse_json
from dgp.output.run_folder import IDENTITY, differences, is_done, read_result
from dgp.recipes.load import load_recipe
from dgp.recipes.toml import DEEPEST, LONGEST, parse_toml
from dgp.warm_start import load_start

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 1000,
        "a = " + "{b = " * 1000,
        "a." * 30_000 + "b = 1",
        '"". ' * 15_000 + "b = 1",
        "a = " + "9" * 5000,
        "#" * (LONGEST + 1),
        "[" + ".".join("a" * 20) + "]",
    ],
)
def test_toml_that_takes_long_or_the_whole_stack(text, tmp_path):
    with pytest.raises(ValueError):
        parse_toml(text)
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(RecipeError) as refused:
        load_recipe(tmp_path / "mine.toml")
    assert str(refused.value).isprintable()


def test_toml_of_the_usual_depth():
    table = parse_toml("a = " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1))
    assert list(table) == ["a"] and parse_toml('a = "x.y.z"\nb.c.d = 1.5')["b"]["c"]["d"] == 1.5


@pytest.mark.parametrize(
    "text",
    [
        "stages.²=1",
        f"stages.{'9' * 5000}.lr=1",
        f"variables.{'a.' * 2000}b=1",
        f"stages.0.steps={'[' * 5000}",
        f"stages.0.steps={'9' * 5000}",
        "stages.0.lr=nan",
        "stages.0.lr=inf",
        "stages.0.terms=[{kind=[]}]",
        "variables.z.chart={kind={}}",
        "searches.0.count=1e999",
        "x" * 10**6,
    ],
)
def test_overrides(text):
    with pytest.raises(RecipeError) as refused:
        load_recipe("latent-mse", [text])
    assert str(refused.value).isprintable() and len(str(refused.value)) <= 2000


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000, "[NaN]", "[-Infinity]", "9" * 5000, "{", ""])
def test_json_that_is_refused(text):
    with pytest.raises(ValueError):
        parse_json(text.encode())


def test_json_of_the_usual_depth():
    assert parse_json("[" * 32 + "]" * 32) and parse_json('{"a": [1.5, null]}') == {"a": [1.5, None]}
    with pytest.raises(ValueError, match="more than 32"):
        parse_json("[" * 33 + "]" * 33)


DEEPER = '{"schema": 1, "a": ' + "[" * 99 + "]" * 99 + "}"


@pytest.mark.parametrize("content", [DEEP, DEEPER, "[]", "3", "null", '"done"', "\xff"])
def test_results_that_are_none(tmp_path, content):
    (tmp_path / "result.json").write_bytes(content.encode("latin1"))
    with pytest.raises(OutputError, match=r"result.json (cannot be read|is not a result)"):
        read_result(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_in_the_place_of_a_result(tmp_path):
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(OutputError, match="is not a regular file"):
        read_result(tmp_path)
    os.mkfifo(tmp_path / "latents.safetensors")
    with pytest.raises(InputError, match="is not a regular file"):
        load_start(tmp_path)


@pytest.mark.parametrize("strange", [None, [], "text", 5, {"mask": "text"}, {"mask": {"sha256": [1]}}, {"mask": None}])
def test_any_value_in_the_place_of_an_entry(tmp_path, strange):
    """A record from elsewhere differs from the planned run, whatever it holds; nothing fails on the way."""
    record = {"schema": 1, "status": "done", **{path[0]: strange for path in IDENTITY.values()}}
    record["degradation"] = {"spec": strange, "assets": strange, "truth": strange}
    planned = {"degradation": {"spec": "gray", "assets": {"mask": {"sha256": "0", "path": "a"}}}, "seed": 0}
    assert all(line.isprintable() for line in differences(record, planned)) and differences(record, planned)
    (tmp_path / "result.json").write_text(json.dumps(record))
    with pytest.raises(OutputError, match="a different run"):
        is_done(tmp_path, planned)


Z = torch.zeros(2, 20)
STARTS = {
    "NaN": (save({"z": Z * torch.nan}), "NaN or Infinity"),
    "infinity": (save({"z": Z + torch.inf}), "NaN or Infinity"),
    "whole numbers": (save({"z": Z.long()}), "torch.int64"),
    "one number": (save({"z": torch.tensor(1.0)}), "expected floats"),
    "deep charts": (save({"z": Z}, {"charts": DEEP}), "its variables cannot be read"),
    "charts of no kind": (save({"z": Z}, {"charts": '{"z": {"kind": []}}'}), "its variables cannot be read"),
    "charts in a list": (save({"z": Z}, {"charts": "[1]"}), "its variables cannot be read"),
    "long header": (struct.pack("<Q", 2**24) + b"{" * 2**24, "header would have"),
    "nothing": (b"", "cannot be read"),
    "text": (b"a text", "cannot be read"),
}


@pytest.mark.parametrize("kind", STARTS)
def test_starts(tmp_path, kind):
    content, words = STARTS[kind]
    (tmp_path / "latents.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=words) as refused:
        load_start(tmp_path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "content", [DEEP, "[]", '{"identity": 3}', '{"identity": [[1, 2, 3]]}', '{"identity": {"arm": "b"}}']
)
def test_units_of_an_evaluation(tmp_path, content):
    unit = Unit(tmp_path, {"arm": "a", "degradation": "gray", "picture": "../../a.png"})
    assert unit.path.resolve().is_relative_to(tmp_path.resolve()), "a name leads out of the folder"
    unit.path.parent.mkdir(parents=True)
    unit.path.write_text(content)
    unit.picture_path.touch()
    with pytest.raises(OutputError):
        unit.read()


@pytest.mark.parametrize("name", ["", "/", "a/", "\0"])
def test_archives_with_strange_names(tmp_path, name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x"), b"")
    (tmp_path / "a.zip").write_bytes(file.getvalue())
    size = struct.pack("<H", len(name))
    data = bytearray(file.getvalue())
    at = data.rindex(b"PK\1\2")
    data[at + 28 : at + 30], data[at + 46 : at + 47] = size, name.encode()
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(InputError, match="no pictures in it|not a zip archive"):
        Source(tmp_path / "a.zip")


def test_errors_stay_on_one_line():
    name = "a\n\x1b[2Jb\u202e\udc80\u2028\x07.png"
    shown = str(InputError(f"{name}: no such file"))
    assert shown == "a \\x1b[2Jb\\u202e\\udc80 \\x07.png: no such file"
    assert len(str(DgpError("x" * 10**6))) <= 2000 and str(DgpError("x" * 10**4 + " do this")).endswith(" do this")
    assert str(OutputError(Path("out"))) == "out"
