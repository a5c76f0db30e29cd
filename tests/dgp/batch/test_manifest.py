"""Lines of a manifest give pictures settings of their own, and nothing else."""

import json
import re

import pytest

from dgp.batch.manifest import read_manifest
from dgp.errors import InputError


@pytest.fixture
def read(tmp_path, monkeypatch):
    """read(lines, common) -> sources; a line is an object, or text."""
    monkeypatch.chdir(tmp_path)

    def run(*lines, common="gray"):
        text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
        (tmp_path / "m.jsonl").write_text(text)
        return read_manifest("m.jsonl", common)

    return run


def test_each_line_has_settings_of_its_own_and_the_others_are_common(read):
    lines = (
        {"picture": "a.png"},
        "",
        {"picture": "x/b.png", "degradation": "sr:4", "class": "cat", "seed": 3, "output": "cats/./b"},
        {"picture": "c.png", "class": 7},
    )
    first, second, third = read(*lines)
    assert first.own == {} and first.output is None and first.place == "a.png"
    assert second.own == {"degradation": "sr:4", "label": "cat", "seed": 3} and second.output == "cats/b"
    assert third.own == {"label": "7"} and third.where == "m.jsonl, line 4"


@pytest.mark.parametrize(
    ("common", "own", "spec"),
    [
        ("gray", None, "gray+inpaint:mask=hole.png"),
        ("inpaint", None, "inpaint:mask=hole.png"),
        (None, None, "inpaint:mask=hole.png"),
        ("gray", "identity", "inpaint:mask=hole.png"),
        ("gray", "sr:2", "sr:2+inpaint:mask=hole.png"),
    ],
)
def test_a_mask_is_a_hole_after_the_other_damages(read, common, own, spec):
    line = {"picture": "a.png", "mask": "hole.png"} | ({"degradation": own} if own else {})
    assert read(line, common=common)[0].own == {"degradation": spec}


def test_the_name_of_a_mask_is_quoted(read):
    (source,) = read({"picture": "a.png", "mask": "a+b, c.png"}, common=None)
    assert source.own == {"degradation": 'inpaint:mask="a+b, c.png"'}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"picture": "a.png", "degredation": "gray"}, "unknown key 'degredation'; did you mean 'degradation'?"),
        ({"picture": "a.png", "label": "cat"}, "unknown key 'label'; expected some of picture, degradation, "),
        ({"degradation": "gray"}, "picture: Field required"),
        ({"picture": 3}, "picture: "),
        ({"picture": "a.png", "seed": "1"}, "seed: "),
        ({"picture": "a.png", "seed": -1}, "seed: "),
        ({"picture": "a.png", "seed": True}, "seed: "),
        ({"picture": "a.png", "output": "../b"}, "output: got '../b', expected a relative path"),
        ({"picture": "a.png", "output": "/b"}, "output: got '/b', expected a relative path"),
        ({"picture": "a.png", "output": "x/../../b"}, "expected a relative path"),
        ({"picture": "a.png", "output": "."}, "expected a relative path"),
        ({"picture": "a.png", "output": "batch.json"}, "choose another name"),
        (["a.png"], "got list, expected an object"),
        ("a.png", "not valid JSON"),
        ('{"picture": "a.png"', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(read, line, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read({"picture": "good.png"}, line)
    assert str(error.value).startswith("m.jsonl, line 2: ") and "\n" not in str(error.value)


def test_a_picture_without_degradation_is_refused(read):
    with pytest.raises(InputError, match="line 1: no degradation; give it on the line, or with -d"):
        read({"picture": "a.png"}, common=None)


def test_an_empty_manifest_is_refused(read):
    with pytest.raises(InputError, match="without lines"):
        read("", "")
