"""`dgp batch`: many pictures as units of work; most tests run them without processes (tests/dgp/batch/inline.py)."""

import csv
import json
import logging
from functools import partial

import pytest
import tqdm

from dgp.batch.engines.table import ENGINES
from dgp.files import sha256_of
from tests.cli.conftest import colours


@pytest.fixture
def inline(monkeypatch):
    monkeypatch.setitem(ENGINES, "local", "tests.dgp.batch.inline")


@pytest.fixture
def scans(tmp_path):
    """A folder of three pictures, one in a subfolder, and a damaged one."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "sub/a.png")):
        colours(seed=number).save(folder / name)
    return folder


@pytest.fixture
def damaged(scans):
    (scans / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return scans / "damaged.png"


def contents(folder):
    """File -> sha256 of what must be equal for equal units; result.json states times and calls."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): sha256_of(path) for path in files if path.name != "result.json"}


def test_a_batch_equals_single_runs_and_is_done_once(call, toy, scans, inline, tmp_path):
    options = ("-d", "gray", *toy)
    summary = call("batch", "scans", *options, "--json", "-o", "many").json
    assert (summary["status"], summary["units"], summary["done"], summary["computed"]) == ("done", 3, 3, 3)
    single = {}
    for name, folder in (("a", "a"), ("b", "b"), ("sub/a", "sub/a")):
        record = call("restore", f"scans/{name}.png", *options, "-o", f"one/{folder}", "--json").json
        alone, among = tmp_path / "one" / folder / name.split("/")[-1], tmp_path / "many" / folder
        assert contents(alone) == contents(among)
        single[folder] = json.loads((among / "result.json").read_text())
        assert single[folder]["unit"] == record["unit"] and single[folder]["files"] == contents(among)
        assert single[folder]["files"] == record["files"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "many").rglob("*") if path.is_file()}
    again = call("batch", "run", "scans", *options, "--json", "-o", "many").json
    assert again["done"] == 3 and again["computed"] == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "many").rglob("*") if path.is_file()}


def test_shards_are_the_whole(call, toy, scans, inline, tmp_path):
    options = ("-d", "gray", *toy, "--json")
    call("batch", "scans", *options, "-o", "whole")
    files = []
    for number in (1, 2):
        done = call("batch", "scans", *options, "-o", "parts", "--shard", f"{number}/2").json
        assert done["units"] == done["computed"] == 3 - number
        files.append([(tmp_path / "parts" / name).read_bytes() for name in ("batch.json", "units.jsonl")])
    assert files[0] == files[1] and contents(tmp_path / "whole") == contents(tmp_path / "parts")
    for text in ("0/2", "3/2", "2", "a/b", "1/2/3"):
        assert "expected I/N" in call("batch", "scans", *options, "--shard", text, code=2).stderr


def test_lists_patterns_and_manifests(call, toy, scans, inline, tmp_path):
    (tmp_path / "list.txt").write_text("scans/a.png\nscans/sub/a.png\n")
    lines = (
        {"picture": "scans/a.png", "degradation": "blur:1", "class": "second", "seed": 7, "output": "mine/x"},
        {"picture": "scans/b.png"},
    )
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for inputs in (("@list.txt",), ("--list", "list.txt"), ("scans/**/a.png",)):
        assert call("batch", *inputs, "-d", "gray", *toy, "-n", "--json", "-o", "x").json["missing"] == 2
    assert not (tmp_path / "x").exists()
    call("batch", "--manifest", "m.jsonl", "-d", "gray", *toy, "--seed", "3", "-o", "out")
    first, second = (json.loads((tmp_path / "out" / name / "result.json").read_text()) for name in ("mine/x", "b"))
    assert (first["degradation"]["asked"], first["class_asked"], first["seed"]) == ("blur:1", 1, 7)
    assert (second["degradation"]["asked"], second["class_asked"], second["seed"]) == ("gray", None, 3)
    wrong = {"picture": "scans/a.png", "class": "fourth"}
    (tmp_path / "w.jsonl").write_text(json.dumps(wrong))
    assert "unit 1, scans/a.png" in call("batch", "--manifest", "w.jsonl", "-d", "gray", *toy, code=2).stderr
    assert "give it with -d" in call("batch", "scans", *toy, code=2).stderr


def test_what_fails_is_listed_skipped_and_can_be_retried(call, toy, scans, damaged, inline, tmp_path):
    options = ("scans", "-d", "gray", *toy)
    summary = call("batch", *options, "--json", code=4).json
    assert summary["status"] == "some failed" and summary["done"] == 3
    (failure,) = summary["failures"]
    assert failure["picture"] == "scans/damaged.png" and failure["reason"].startswith("scans/damaged.png: ")
    again = call("batch", *options, code=4)
    assert "failed in an earlier run, not tried again" in again.stderr
    found = call("batch", "status", "out", "--json").json
    assert (found["units"], found["done"], found["failed"], found["missing"]) == (4, 3, 1, 0)
    assert (
        found["failures"] == summary["failures"]
        and "failed: scans/damaged.png" in call("batch", "status", "out").stdout
    )
    colours(seed=9).save(damaged)
    assert call("batch", "retry", "out", "--json").json["computed"] == 1
    assert call("batch", "status", "out", "--json").json["done"] == 4
    assert not (tmp_path / "out/damaged/failed.json").exists()
    assert call("batch", *options, "--json").json["computed"] == 0


def test_another_batch_in_the_folder_is_refused_with_the_difference(call, toy, scans, inline, tmp_path):
    call("batch", "scans", "-d", "gray", *toy)
    said = call("batch", "scans", "-d", "blur:1", *toy, "--seed", "1", code=2).stderr
    assert "degradation: gray there, blur:1 now" in said and "seed: 0 there, 1 now" in said and said.count("\n") == 1
    colours(seed=8).save(scans / "new.png")
    assert "units: 3 there, 4 now" in call("batch", "scans", "-d", "gray", *toy, code=2).stderr
    more = call("batch", "scans", "-d", "gray", *toy, "--overwrite", "--json").json
    assert more["done"] == 4 and more["computed"] == 1
    assert call("batch", "scans", "-d", "blur:1", *toy, "--overwrite", "--json").json["computed"] == 4
    assert call("batch", "verify", "out", "--json").json["status"] == "same"


def test_a_result_of_another_run_is_refused_and_leaves_no_failure(call, toy, scans, inline, tmp_path):
    call("restore", "scans/a.png", "-d", "blur:1", *toy)
    summary = call("batch", "scans", "-d", "gray", *toy, "--json", code=4).json
    assert "holds the result of a different run" in summary["failures"][0]["reason"] and summary["done"] == 2
    assert not (tmp_path / "out/a/failed.json").exists()
    assert call("batch", "scans", "-d", "gray", *toy, "--json", "--overwrite").json["done"] == 3


def test_a_result_of_other_code_is_refused(call, toy, scans, inline, tmp_path):
    call("restore", "scans/a.png", "-d", "gray", *toy)
    path = tmp_path / "out/a/result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"unit": "another"}))
    summary = call("batch", "scans", "-d", "gray", *toy, "--json", code=4).json
    assert "another version of dgp" in summary["failures"][0]["reason"]
    assert call("batch", "scans", "-d", "gray", *toy, "--json", "--overwrite").json["computed"] == 1


def test_verify_lists_what_differs(call, toy, scans, inline, tmp_path):
    call("batch", "scans", "-d", "gray", *toy)
    assert call("batch", "verify", "out").stdout == "3 results verified, 0 differences\n"
    (tmp_path / "out/a/restored.png").write_bytes(b"spoilt")
    (tmp_path / "out/b/trace.jsonl").unlink()
    colours(seed=5).save(scans / "sub/a.png")
    found = call("batch", "verify", "out", "--json", code=1).json
    assert found["results"] == 3 and len(found["differences"]) == 3
    for words in (
        "out/a/restored.png: is not the file",
        "trace.jsonl: cannot be read",
        "sub/a.png: is not the picture",
    ):
        assert sum(words in line for line in found["differences"]) == 1, words


def test_verify_compares_the_weights(call, toy, scans, inline, tmp_path):
    call("batch", "scans/a.png", "-d", "gray", *toy)
    path = tmp_path / "out/batch.json"
    record = json.loads(path.read_text())
    record["method"]["discriminator"] = "another"
    path.write_text(json.dumps(record))
    assert call("batch", "verify", "out", "--json", code=1).json["differences"] == [
        "toy: the weights are not those of the batch"
    ]
    assert "discriminator: another there" in call("batch", "retry", "out", code=1).stderr


def test_the_table_has_a_row_for_each_picture(call, toy, scans, damaged, inline, tmp_path):
    call("batch", "scans", "-d", "gray", "--simulate", *toy, code=4)
    for name in ("t.csv", "t.jsonl"):
        assert call("batch", "export", "out", "-o", name, "--json").json["rows"] == 4
    rows = list(csv.DictReader((tmp_path / "t.csv").open(encoding="utf-8")))
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [row["picture"] for row in rows] == [line["picture"] for line in lines]
    by_folder = {line["folder"]: line for line in lines}
    result = json.loads((tmp_path / "out/a/result.json").read_text())
    row = by_folder["a"]
    assert row["metrics.psnr"] == result["metrics"]["psnr"]["value"] and row["unit"] == result["unit"]
    assert row["timing.total_s"] == result["timing"]["total_s"] and row["status"] == "done"
    assert by_folder["damaged"]["status"] == "failed" and by_folder["damaged"]["reason"]
    assert "expected a name that ends in .csv" in call("batch", "export", "out", "-o", "t.xlsx", code=2).stderr


def test_parquet_has_the_same_rows(call, toy, scans, damaged, inline, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    call("batch", "scans", "-d", "gray", "--simulate", *toy, code=4)
    for name in ("t.jsonl", "t.parquet"):
        call("batch", "export", "out", "-o", name)
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert parquet.read_table(tmp_path / "t.parquet").to_pylist() == lines


def test_parquet_without_its_package(call, toy, scans, inline, monkeypatch):
    call("batch", "scans/a.png", "-d", "gray", *toy)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    assert "pip install" in call("batch", "export", "out", "-o", "t.parquet", code=1).stderr


def test_a_line_for_each_picture_is_logged_with_fields(call, toy, scans, damaged, inline, caplog):
    with caplog.at_level(logging.INFO, "dgp.batch"):
        said = call("batch", "scans", "-d", "gray", *toy, code=4).stderr
    assert [line.split()[0] for line in said.splitlines()] == ["1/4", "2/4", "3/4", "4/4"]
    records = {record.picture: record for record in caplog.records}
    done, failed = records["scans/a.png"], records["scans/damaged.png"]
    assert (done.status, done.attempt) == ("done", 1) and len(done.unit) == 64 and done.seconds > 0
    assert done.peak_memory > 2**20 and failed.status == "failed" and failed.levelname == "WARNING"
    assert call("batch", "scans", "-d", "gray", *toy, "-q", code=4).output == ""


@pytest.mark.parametrize("command", ["status", "verify", "retry"])
def test_a_folder_without_a_batch_is_refused(call, tmp_path, command):
    (tmp_path / "empty").mkdir()
    assert "holds no batch" in call("batch", command, "empty", code=2).stderr
    (tmp_path / "empty/batch.json").write_text('{"schema": 1}')
    assert call("batch", command, "empty", code=2).stderr.count("\n") == 1


def test_a_batch_that_leads_out_of_its_folder_is_refused(call, toy, scans, inline, tmp_path):
    call("batch", "scans/a.png", "-d", "gray", *toy)
    lines = (tmp_path / "out/units.jsonl").read_text().replace('"folder": "a"', '"folder": "../a"')
    (tmp_path / "out/units.jsonl").write_text(lines)
    record = json.loads((tmp_path / "out/batch.json").read_text())
    record["units_sha256"] = sha256_of(lines.encode())
    (tmp_path / "out/batch.json").write_text(json.dumps(record))
    assert "no readable batch" in call("batch", "status", "out", code=2).stderr


def test_plugins_of_a_folder_run_only_if_they_are_named_again(call, toy, scans, inline, tmp_path):
    call("batch", "scans/a.png", "-d", "gray", *toy)
    path = tmp_path / "out/batch.json"
    record = json.loads(path.read_text())
    (tmp_path / "mine.py").write_text("open('executed', 'w')")
    record["settings"]["plugins"], record["method"]["plugins"] = ["mine.py"], ["0" * 64]
    path.write_text(json.dumps(record))
    assert "--plugin mine.py; name them again" in call("batch", "retry", "out", code=2).stderr
    call("batch", "verify", "out", code=1)
    assert not (tmp_path / "executed").exists()


def test_a_terminal_shows_what_is_done_failed_and_how_fast(call, toy, scans, damaged, inline, monkeypatch):
    monkeypatch.setattr("dgp.progress.is_interactive", lambda: True)
    every = partial(tqdm.tqdm, mininterval=0, miniters=1)  # drawn at each update, however quick they come
    monkeypatch.setattr("tqdm.tqdm", every)
    shown = call("batch", "scans", "-d", "gray", *toy, code=4).stderr
    assert "4/4" in shown and "1 failed, " in shown and " an hour" in shown
    assert "scans/damaged.png: failed" in shown and "scans/a.png: done" not in shown
