"""Which pictures a batch has, and which folders their results get."""

from pathlib import Path

import pytest

from dgp.batch.inputs import find_sources, number_units
from dgp.batch.unit import Source
from dgp.errors import InputError
from dgp.runs.folders import name_folders


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with pictures, hidden files and other files; nothing here reads their content."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "sub/deep/c.png", "sub/a.png", ".hidden.png", ".git/d.png", "notes.txt"):
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def folders(*inputs, output="out"):
    units = number_units(find_sources(inputs, Path(output)))
    return [(unit.number, unit.picture, unit.folder) for unit in units]


def test_a_folder_is_searched_with_its_subfolders_and_its_structure_is_kept(here):
    assert folders("scans") == [
        (1, "scans/a.JPG", "a"),
        (2, "scans/b.png", "b"),
        (3, "scans/sub/a.png", "sub/a"),
        (4, "scans/sub/deep/c.png", "sub/deep/c"),
    ]


def test_a_pattern_keeps_the_structure_below_its_fixed_part(here):
    assert folders("scans/**/*.png") == [
        (1, "scans/b.png", "b"),
        (2, "scans/sub/a.png", "sub/a"),
        (3, "scans/sub/deep/c.png", "sub/deep/c"),
    ]
    assert folders("*/*.png") == [(1, "scans/b.png", "scans/b")]


def test_a_list_names_paths_and_equal_names_get_a_number(here):
    (here / "list.txt").write_text("scans/a.JPG\n\n# a remark\nscans/sub/a.png\nnowhere/a.png\n")
    found = [(1, "scans/a.JPG", "a"), (2, "scans/sub/a.png", "a-2"), (3, "nowhere/a.png", "a-3")]
    assert folders("@list.txt") == found
    assert folders("scans/b.png", "@list.txt")[0] == (1, "scans/b.png", "b")


def test_results_are_no_inputs(here):
    (here / "scans/out/b").mkdir(parents=True)
    (here / "scans/out/b/restored.png").touch()
    assert folders("scans", output="scans/out") == folders("scans/**/*", output="scans/out")
    assert len(folders("scans", output="scans/out")) == 4
    with pytest.raises(InputError, match="is the output folder"):
        folders("scans/out", output="scans")


def test_names_of_files_are_no_folders(here):
    (here / "batch.json.png").touch()
    (here / "scans/result.json.png").touch()
    assert folders("batch.json.png") == [(1, "batch.json.png", "batch.json-2")]
    assert folders("scans/result.json.png")[0][2] == "result.json-2"


def test_a_picture_whose_name_is_a_pattern_is_a_picture(here):
    (here / "[1].png").touch()
    assert folders("[1].png") == [(1, "[1].png", "[1]")]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (("nowhere.png",), "nowhere.png: no such file or folder"),
        (("empty",), "empty: got a folder without pictures"),
        (("*.tiff",), "no picture matches"),
        (("@nowhere.txt",), "nowhere.txt: cannot be read"),
    ],
)
def test_what_is_not_there_is_refused(here, inputs, message):
    (here / "empty").mkdir()
    with pytest.raises(InputError, match=message.replace("*", r"\*")):
        folders(*inputs)


def test_folders_never_lead_out():
    paths = [Path(text) for text in ("../a.png", "/x/a.png", "a.png", "..", "b/..png")]
    assert name_folders(paths) == ["a", "a-2", "a-3", "picture", "b/picture"]
    assert name_folders([Path("a.png")], taken=("a", "a-2")) == ["a-3"]


def test_many_equal_names_are_numbered_quickly():
    names = name_folders([Path("a.png")] * 20_000)
    assert names[-1] == "a-20000" and len(set(names)) == 20_000


def test_two_pictures_with_one_output_are_refused():
    sources = [Source("a.png", "a.png", "x", where="line 1"), Source("b.png", "b.png", "x", where="line 2")]
    with pytest.raises(InputError, match="line 2: output 'x' is that of line 1"):
        number_units(sources)
    sources[1] = Source("x.png", "x.png", where="line 2")
    assert [unit.folder for unit in number_units(sources)] == ["x", "x-2"]
