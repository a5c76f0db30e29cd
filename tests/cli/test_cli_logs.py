"""-v and --log-file: what happened in a run, as text and as lines of JSON."""

import json
import logging
from datetime import datetime

from dgp.process.logs import JsonLines, logging_to_file


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_log_file_is_json_lines_that_are_appended(call, toy, photo, tmp_path):
    for folder in ("one", "two"):
        call("restore", photo, "-d", "gray", *toy, "-o", folder, "--log-file", "logs/run.jsonl")
    lines = read(tmp_path / "logs" / "run.jsonl")
    said = [line["message"] for line in lines]
    assert said.count("a run begins") == said.count("a run is over") == 2 and "a stage is over" in said
    for line in lines:
        assert datetime.fromisoformat(line["time"]).utcoffset().total_seconds() == 0
        assert line["level"] == "info" and line["logger"].startswith("dgp.")
    over = next(line for line in lines if line["message"] == "a run is over")
    assert over["picture"] == str(photo) and over["status"] == "done" and over["peak_memory"]["host_bytes"] > 1e7
    (handler,) = logging.getLogger("dgp").handlers
    assert isinstance(handler, logging.NullHandler)


def test_verbose_runs_tell_stderr(call, toy, photo):
    loud = call("restore", photo, "-d", "gray", *toy, "-v", "--json")
    assert "a stage is over stage=0 steps=1" in loud.stderr and loud.json["status"] == "done"
    assert "a stage is over" not in call("restore", photo, "-d", "gray", *toy, "-o", "quiet").stderr


def test_a_log_that_cannot_be_written_is_one_line(call, toy, photo, tmp_path):
    (tmp_path / "file").write_text("")
    failed = call("restore", photo, "-d", "gray", *toy, "--log-file", "file/log.jsonl", code=2)
    assert "cannot write the log file/log.jsonl" in failed.stderr and len(failed.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_log_on_a_full_disk_ends_no_run(tmp_path, monkeypatch, capsys):
    with logging_to_file(tmp_path / "log"):
        handler = logging.getLogger("dgp").handlers[-1]
        monkeypatch.setattr(handler, "format", _no_space)
        logging.getLogger("dgp.test").warning("nobody hears this")
    assert capsys.readouterr().err == ""


def _no_space(*arguments):
    raise OSError(28, "No space left on device")


def test_lines_hold_any_value():
    record = logging.makeLogRecord({"msg": "two\nlines %s", "args": ("\x1b[31m",), "name": "dgp.x", "path": object()})
    (line,) = JsonLines().format(record).splitlines()
    assert json.loads(line)["message"] == "two\nlines \x1b[31m" and "\x1b" not in line


def test_results_tell_the_peak_of_their_memory(call, toy, photo):
    peak = call("restore", photo, "-d", "gray", *toy, "--json").json["timing"]["peak_memory"]
    assert peak["host_bytes"] > 1e7 and peak["device_bytes"] is None and peak["since"] in ("run", "process")
