"""Names of files that mean harm: what commands print, record and show acts on nothing, and is one line each."""

import json
import os
import sys

import pytest

from tests.cli.conftest import colours

NAMES = {
    "escapes": "a\x1b[2J\x1b]52;c;YQ==\x07.png",
    "line breaks": "a\nError: b\r.png",
    "direction": "a\u202egnp.exe.png",
    "html": "<img src=x onerror=alert(1)>.png",
    "shell": "$(touch canary);`touch canary`'\".png",
    "no text": "a\udcff\udc80.png",
    "option": "--overwrite.png",
    "long": "x" * 240 + ".png",
    "percent": "%s%n{0}.png",
}


@pytest.fixture(params=NAMES)
def name(request, tmp_path):
    try:
        colours(20, 16).save(os.fsencode(tmp_path / NAMES[request.param]), "PNG")
    except OSError:
        pytest.skip("left out: this file system has no such names")
    return NAMES[request.param]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have fewer names")
def test_a_picture_is_restored_whatever_its_name(call, toy, tmp_path, name):
    done = call("colorize", *toy, "--", f"./{name}")
    for line in (done.stdout + done.stderr).splitlines():
        assert line.isprintable(), line
    assert not (tmp_path / "canary").exists()
    (folder,) = (tmp_path / "out").iterdir()
    record = json.loads((folder / "result.json").read_bytes().decode("utf-8"))
    assert record["input"]["path"] == name.removeprefix("./") and record["status"] == "done"
    again = call("colorize", "--json", *toy, "--", f"./{name}")
    assert again.json["status"] == "done" and again.stdout.isascii()


def test_a_refusal_names_the_picture_in_one_line(call, toy, tmp_path):
    for name in ("a\x1b[2J\n.png", "b\udcff.png", "c\u202e.png"):
        (tmp_path / name).write_bytes(b"nothing")
        refused = call("colorize", f"./{name}", *toy, code=2)
        assert len(refused.stderr.splitlines()) == 1 and refused.stderr.strip().isprintable()
        assert refused.stderr.count(".png") == 1, "named once"


def test_the_limit_of_pixels(call, toy, photo, tmp_path):
    refused = call("colorize", photo.name, *toy, "--max-pixels", "1000", code=2)
    assert "47x31" in refused.stderr and "--max-pixels" in refused.stderr and not (tmp_path / "out").exists()
    call("degradations", "preview", photo.name, "-d", "gray", "-o", "x.png", "--max-pixels", "1000", code=2)
    call("degradations", "preview", photo.name, "-d", "gray", "-o", "x.png", "--max-pixels", "1457")
