"""What commands take: priors as arguments, one file by -o, folders as pictures, --overwrite."""

import json

import numpy as np
import pytest
from PIL import Image

import generators
from tests.cli.conftest import colours
from tests.cli.test_cli_refused import contents, refused


def test_a_prior_is_an_argument(call, tmp_path):
    call("priors", "sample", "toy", "--count", 2, "-o", "new.png")
    call("priors", "convert", "toy", "-o", "new.safetensors")
    old = call("priors", "sample", "-p", "toy", "--count", 2, "-o", "old.png", "--json")
    assert "deprecated; use `dgp priors sample toy`" in old.stderr and old.json["count"] == 2
    said = call("priors", "convert", "toy", "old.safetensors").stderr
    assert "deprecated; use `dgp priors convert toy -o old.safetensors`" in said
    assert (tmp_path / "old.png").read_bytes() == (tmp_path / "new.png").read_bytes()
    assert generators.load("old.safetensors").generator.info == generators.load("new.safetensors").generator.info
    for command in ("sample", "convert"):
        said = call("priors", command, "-h").stdout
        assert "--prior" not in said and "deprecated" not in said


@pytest.mark.parametrize("more", [("sample", "-p", "toy"), ("convert", "b.safetensors", "-o", "c.safetensors")])
def test_nothing_is_named_twice(call, tmp_path, more):
    command, *rest = more
    assert "give" in refused(call, tmp_path, "priors", command, "toy", *rest)


COMMANDS = {
    "toy-samples.png": ("priors", "sample", "toy", "--count", 1),
    "toy.safetensors": ("priors", "convert", "toy"),
    "photo-degraded.png": ("degradations", "preview", "photo.png", "-d", "gray"),
    "photo-mask.png": ("degradations", "mask", "photo.png"),
    "degradations.png": ("degradations", "sheet", "photo.png", "--only", "gray", "--side", 32),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_where_no_file_is_named_the_usual_one_is_written_but_never_over_another(call, photo, tmp_path, name):
    call(*COMMANDS[name])
    assert (tmp_path / name).is_file()
    assert f"{name} already exists" in refused(call, tmp_path, *COMMANDS[name])


def test_recipes_of_an_evaluation_may_be_repeated(call, tmp_path):
    (tmp_path / "set").mkdir()
    colours(32, 32).save(tmp_path / "set/one.png")
    arguments = ("evaluate", "set", "-d", "gray", "-p", "toy", "--class", "auto", "-n", "--json")
    one, other = (
        call(*arguments, *more).json for more in (("-r", "latent-mse,default"), ("-r", "latent-mse", "-r", "default"))
    )
    assert one == other and one["units"] == 4


def test_a_folder_means_the_pictures_in_it(call, toy, tmp_path):
    (tmp_path / "many/deeper").mkdir(parents=True)
    for name in ("b.png", "a.JPG", ".hidden.png", "deeper/c.png"):
        colours().save(tmp_path / "many" / name)
    (tmp_path / "many/notes.txt").write_text("not a picture")
    colours(seed=1).save(tmp_path / "alone.png")
    told = call("colorize", "many", "alone.png", *toy, "-n", "--json").json["results"]
    assert [job["input"]["path"] for job in told] == ["many/a.JPG", "many/b.png", "alone.png"]
    assert len(call("invert", "many/deeper", *toy, "-n", "--json").json["results"]) == 1, "a list, whatever it holds"


def test_a_folder_without_pictures_is_refused_with_what_was_expected(call, toy, tmp_path):
    (tmp_path / "none/deeper").mkdir(parents=True)
    colours().save(tmp_path / "none/deeper/a.png")
    (tmp_path / "none/notes.txt").write_text("not a picture")
    says = refused(call, tmp_path, "colorize", "none", *toy)
    assert "none: got a folder without pictures" in says and ".jpg" in says and ".webp" in says


def test_a_different_run_is_replaced_when_told_and_other_files_are_left(call, toy, photo, tmp_path):
    call("colorize", photo.name, *toy, "--num-solutions", 2)
    folder = tmp_path / "out/photo"
    for name in ("notes.txt", "solutions/mine.png"):
        (folder / name).write_text("mine")
    before = json.loads((folder / "result.json").read_text())
    assert "--overwrite" in refused(call, tmp_path, "colorize", photo.name, *toy, "--seed", 1)
    after = call("colorize", photo.name, *toy, "--seed", 1, "--overwrite", "--json").json
    assert before["seed"] == 0 and after["seed"] == 1 and json.loads((folder / "result.json").read_text()) == after
    assert not (folder / "spread.png").exists() and [p.name for p in (folder / "solutions").iterdir()] == ["mine.png"]
    assert (folder / "notes.txt").read_text() == "mine" == (folder / "solutions/mine.png").read_text()
    written = contents(folder)
    assert "done already" in call("colorize", photo.name, *toy, "--seed", 1, "--overwrite").stdout
    assert contents(folder) == written


def test_a_run_never_replaces_what_it_reads(call, toy, photo, tmp_path):
    call("colorize", photo.name, *toy)
    mask = np.zeros((31, 47), np.uint8)
    mask[8:16, 10:22] = 255
    Image.fromarray(mask).save(tmp_path / "out/photo/mask.png")
    arguments = ("inpaint", photo.name, "--mask", "out/photo/mask.png", *toy, "--overwrite")
    assert "out/photo/mask.png is read by this run" in refused(call, tmp_path, *arguments)


def test_a_folder_that_is_none_of_ours_is_not_overwritten(call, toy, photo, tmp_path):
    (tmp_path / "out/photo").mkdir(parents=True)
    (tmp_path / "out/photo/result.json").write_text('{"mine": 1}')
    assert "not a result of this program" in refused(call, tmp_path, "colorize", photo.name, *toy, "--overwrite")


def test_a_rate_that_leaves_released_layers_alone_is_told(call, toy, photo):
    said = call("colorize", photo.name, *toy, "--set", "stages.*.lr=0.02", "-n")
    assert "stages.*.release.lr" in said.stderr
    both = ("--set", "stages.*.lr=0.02", "--set", "stages.*.release.lr=0.1")
    assert not call("colorize", photo.name, *toy, *both, "-n").stderr


def test_a_picture_that_was_scaled_is_told(call, toy, photo):
    arguments = ("upscale", photo.name, "--factor", 4, *toy, "--fit", "crop")
    for more in (("-n",), ()):
        scaled, lacking = call(*arguments, *more).stderr.splitlines()
        assert scaled == "photo.png: the centred 31x31 of the picture's 47x31 was scaled to 8x8 (--fit crop)"
        assert lacking.startswith("photo.png: the answer will have the detail of") and "not of its 124x124" in lacking
    assert not call("colorize", photo.name, *toy, "-o", "c").stderr, "its own luminance is kept at full size"
