"""--start: a run that begins where an earlier one has ended."""

import json


def test_each_picture_begins_at_its_own_answer(call, toy, photo, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    call("restore", photo, other, "-d", "gray", *toy, "-o", "first", "--set", "stages.*.steps=2")
    warm = ("restore", photo, other, "-d", "gray", *toy, "--set", "stages.*.lr=0", "--json")
    result = call(*warm, "--start", "first", "-o", "second").json["results"]
    assert [r["start"]["path"] for r in result] == ["first/photo", "first/other"]
    ended = json.loads((tmp_path / "first/photo/result.json").read_text())
    assert ended["start"] is None
    assert abs(result[0]["latents"]["z"]["norm"] - ended["latents"]["z"]["norm"]) < 1e-5
    again = call(*warm, "--start", "first", "-o", "second")
    assert "done already" in again.stderr


def test_another_start_is_another_run(call, toy, photo):
    call("restore", photo, "-d", "gray", *toy, "-o", "first")
    call("restore", photo, "-d", "gray", *toy, "-o", "second", "--start", "first/photo")
    refused = call("restore", photo, "-d", "gray", *toy, "-o", "second", code=2)
    assert "start: " in refused.stderr and "use another folder" in refused.stderr


def test_where_no_run_has_ended(call, toy, photo, tmp_path):
    (tmp_path / "empty").mkdir()
    refused = call("restore", photo, "-d", "gray", *toy, "--start", "empty", code=2)
    assert "a start is the folder of a run" in refused.stderr
