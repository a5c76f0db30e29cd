"""`dgp ... --device cuda`: what is written is what the CPU writes, and says where it was computed."""

import json

import pytest

from ..cli.conftest import call, photo, toy  # noqa: F401
from .conftest import WHERE

pytestmark = pytest.mark.skipif(WHERE == "pretend", reason="the command line knows no pretended device")


def test_colorize(call, toy, photo, tmp_path, device):  # noqa: F811
    result = call("colorize", photo.name, *toy, "--device", device, "--json")
    assert result.json["status"] == "done" and result.json["device"] == device
    there = json.loads((tmp_path / "out/photo/result.json").read_text())
    call("colorize", photo.name, *toy, "--device", "cpu", "-o", "cpu")
    cpu = json.loads((tmp_path / "cpu/photo/result.json").read_text())
    assert there["scores"] == pytest.approx(cpu["scores"], rel=1e-2)
    assert (tmp_path / "out/photo/restored.png").is_file()


def test_several_pictures_and_solutions(call, toy, photo, tmp_path, device):  # noqa: F811
    (tmp_path / "other.png").write_bytes(photo.read_bytes())
    options = (*toy, "--num-solutions", 2, "--device", device)
    call("restore", "photo.png", "other.png", "-d", "inpaint:center=1/3", *options)
    assert len(list((tmp_path / "out/photo/solutions").glob("*.png"))) == 2
