"""What cannot be trained is refused in one line that says what to do."""

import zipfile

from click.testing import CliRunner
from PIL import Image

from generators.training.command import main
from generators.training.loop import checkpoint
from tests.generators.training.runs import archive, arguments, trained


def refusal(arch, data, out, more=""):
    result = CliRunner().invoke(main, arguments(arch, data, out, more))
    assert result.exit_code in (2, 3) and result.stderr.count("\n") == 1, result.output
    return result.stderr


def of(tmp_path, sizes):
    for number, size in enumerate(sizes):
        (tmp_path / "set" / "a").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(tmp_path / "set" / "a" / f"{number}.png")
    return tmp_path / "set"


def test_of_pictures(tmp_path):
    out = tmp_path / "out"
    assert "no such file" in refusal("biggan", tmp_path / "none.zip", out, "--pictures 8")
    (tmp_path / "text.zip").write_text("no archive")
    assert "not a zip archive" in refusal("biggan", tmp_path / "text.zip", out, "--pictures 8")
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    assert "named after their classes" in refusal("biggan", tmp_path / "empty.zip", out, "--pictures 8")
    mixed = refusal("biggan", of(tmp_path, [(32, 32), (16, 16)]), out, "--pictures 8")
    assert "16x16, 32x32" in mixed and "one size" in mixed
    (tmp_path / "set" / "a" / "0.png").write_bytes(b"broken")
    assert "cannot be read as a picture" in refusal("biggan", tmp_path / "set", out, "--pictures 8")


def test_of_sizes_and_settings(tmp_path):
    data, out = archive(tmp_path / "data.zip", 16, 4), tmp_path / "out"
    assert "16 px, but biggan is trained at 32" in refusal("biggan", data, out, "--pictures 8")
    assert "MB" in refusal("stylegan2", data, out, "--pictures 8 --width 2000")
    assert "--decay" in refusal("stylegan2", data, out, "--pictures 8 --decay 9")
    assert "batch 33, expected a multiple of the 8 rows" in refusal("stylegan2", data, out, "--pictures 8 --batch 33")
    assert "--seen without --from" in refusal("stylegan2", data, out, "--pictures 8 --seen 5")
    assert "no prior named" in refusal("stylegan2", data, out, "--pictures 8 --width 8 --from nothing").replace(
        "got width with --from", "no prior named"
    )


def test_of_other_weights_and_of_runs_that_differ(tmp_path):
    data, out = archive(tmp_path / "data.zip", 16, 4), tmp_path / "out"
    plain = ["--arch", "stylegan2", "--data", str(data), "--out", str(tmp_path / "new"), "--pictures", "8"]
    for weights, words in (("toy", "makes 32 px of 3 classes"), ("nothing", "no prior named")):
        result = CliRunner().invoke(main, [*plain, "--from", weights])
        assert result.exit_code == 2 and words in result.stderr and result.stderr.count("\n") == 1
    trained("stylegan2", data, out, "--pictures 8")
    assert "begun with width 8, got 9" in refusal("stylegan2", data, out, "--pictures 16 --width 9")
    assert "begun with seed 0" in refusal("stylegan2", data, out, "--pictures 16 --seed 1")
    other = archive(tmp_path / "other.zip", 16, 6)
    assert "other pictures" in refusal("stylegan2", other, out, "--pictures 16")
    (out / checkpoint.NAME).write_bytes(b"cut off")
    assert "not a checkpoint" in refusal("stylegan2", data, out, "--pictures 16")


def test_a_run_without_an_end_is_refused(tmp_path):
    result = CliRunner().invoke(main, arguments("biggan", tmp_path, tmp_path / "out"))
    assert result.exit_code == 2 and "--minutes or --pictures" in result.stderr
