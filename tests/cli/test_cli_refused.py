"""What is refused: one clear line on stderr, the right exit code, and nothing written."""

import json
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from degradations.core import registry
from tests.cli.conftest import colours

JUDGE = str(Path(__file__).resolve().parents[2] / "benchmarks/judge-cifar10.safetensors")


def bomb() -> bytes:
    """A PNG of few bytes that claims to be 60000 x 60000."""
    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


class Trap:
    """Unpickled, it would leave a file behind."""

    def __reduce__(self):
        return Path.touch, (Path("trapped"),)


def contents(folder: Path) -> dict:
    return {path: path.stat().st_mtime_ns if path.is_file() else None for path in folder.rglob("*")}


def refused(call, tmp_path, *arguments, code=2) -> str:
    """The line of a refusal, after looking that nothing has changed."""
    before = contents(tmp_path)
    result = call(*arguments, "--json", code=code)
    assert result.json["status"] == "failed" and result.json["error"]
    assert contents(tmp_path) == before
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    return lines[0]


BROKEN = {
    "missing.png": None,
    "empty.png": b"",
    "text.png": b"I am a text, whatever my name says.\n",
    "page.pdf": b"%PDF-1.7\n",
    "bomb.png": bomb(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_pictures(call, toy, tmp_path, name):
    if BROKEN[name] is not None:
        (tmp_path / name).write_bytes(BROKEN[name])
    assert name in refused(call, tmp_path, "colorize", name, *toy)


def test_truncated_pictures(call, toy, tmp_path):
    for ending in ("png", "jpg"):
        colours(200, 200).save(tmp_path / f"cut.{ending}")
        (tmp_path / f"cut.{ending}").write_bytes((tmp_path / f"cut.{ending}").read_bytes()[:700])
        assert f"cut.{ending}" in refused(call, tmp_path, "colorize", f"cut.{ending}", *toy)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.full((9, 9), 255), "9x9"),
        (np.zeros((31, 47)), "nothing missing"),
        (np.full((31, 47), 255), "nothing of the picture"),
    ],
)
def test_masks(call, toy, photo, tmp_path, mask, says):
    Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "mask.png")
    assert says in refused(call, tmp_path, "inpaint", photo.name, "--mask", "mask.png", *toy)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("restore", "-d", ""), 2, "expected e.g. gray"),
        (("restore", "-d", "grey"), 2, "did you mean 'gray'"),
        (("restore", "-d", "sr:0"), 2, "factor"),
        (("restore", "-d", "sr:4:4"), 2, "sr"),
        (("restore", "-d", "gray+"), 2, "name is missing"),
        (("restore", "-d", "inpaint:center=1/3,center=1/2"), 2, "twice"),
        (("restore", "-d", "sr:factor=auto"), 2, "not possible for factor"),
        (("restore",), 2, "--degradation"),
        (("restore", "-d", "gray", "--fit", "squeeze"), 2, "squeeze"),
        (("restore", "-d", "gray", "--seed", "-1"), 2, "seed"),
        (("restore", "-d", "gray", "--num-solutions", "0"), 2, "num-solutions"),
        (("colorize", "-p", "biggan-cifar1"), 2, "did you mean 'biggan-cifar10'"),
        (("colorize", "-p", "nowhere/G_ema.pth"), 2, "no such file"),
        (("colorize", "-r", "dgp-colorisation"), 2, "did you mean 'dgp-colorization'"),
        (("colorize", "-r", "nowhere.toml"), 2, "nowhere.toml"),
        (("colorize", "--class", "secnd"), 2, "did you mean 'second'"),
        (("colorize", "--class", "7"), 2, "0 to 2"),
        (("colorize", "--set", "stages.*.stps=3"), 2, "did you mean 'steps'"),
        (("colorize", "--set", "stages.9.steps=3"), 2, "0 to 1"),
        (("colorize", "--set", "stages.0.steps=many"), 2, "many"),
        (("colorize", "--set", "steps"), 2, "KEY=VALUE"),
        (("colorize", "--plugin", "nowhere.py"), 3, "nowhere.py"),
        (("inpaint",), 2, "--mask FILE or --hole FRACTION"),
        (("inpaint", "--mask", "a.png", "--hole", "1/3"), 2, "give one"),
        (("inpaint", "--mask", "nowhere.png"), 2, "nowhere.png"),
        (("inpaint", "--hole", "a third"), 2, "third"),
        (("inpaint", "--hole", "1"), 2, "'--hole': 1 leaves nothing of the picture"),
        (("inpaint", "--hole", "2"), 2, "'--hole': 2 leaves nothing of the picture"),
        (("inpaint", "--hole", "0"), 2, "'--hole': 0 is not a valid fraction"),
        (("upscale",), 2, "--factor"),
        (("upscale", "--factor", "4"), 2, "8x8"),
        (("upscale", "--factor", "1"), 2, "factor"),
        (("colorize", "-o", "photo.png"), 2, "photo.png is a file"),
        (("colorize", "-o", "photo.png/deeper"), 2, "photo.png is a file"),
        (("colorize", "--resume-from", "x"), 2, "--resume"),
    ],
)
def test_what_was_asked_for(call, toy, photo, tmp_path, arguments, code, says):
    command, *rest = arguments
    assert says in refused(call, tmp_path, command, photo.name, *toy, *rest, code=code)


def test_an_output_that_cannot_be_written(call, toy, photo, tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", denied)
    assert "Permission denied" in refused(call, tmp_path, "colorize", photo.name, *toy)


def test_a_result_that_is_none_of_ours(call, toy, photo, tmp_path):
    (tmp_path / "out/photo").mkdir(parents=True)
    (tmp_path / "out/photo/result.json").write_text("{")
    assert "result" in refused(call, tmp_path, "colorize", photo.name, *toy)


def test_recipes_that_the_prior_cannot_serve(call, photo, tmp_path):
    import generators

    save_file(
        {k: v.contiguous() for k, v in generators.load("toy").generator.state_dict().items()},
        tmp_path / "G_ema.safetensors",
    )
    says = refused(call, tmp_path, "colorize", photo.name, "-p", "G_ema.safetensors", "-r", "dgp-colorization")
    assert "discriminator" in says and "latent-mse" in says


def test_weights(call, toy, photo, tmp_path):
    import generators

    tensors = {k: v.contiguous() for k, v in generators.load("toy").generator.state_dict().items()}
    save_file({k: v for k, v in tensors.items() if k != "linear.bias"}, tmp_path / "lacking.safetensors")
    torch.save({"G": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    for name, says in (
        ("lacking.safetensors", "linear.bias"),
        ("trap.pth", "code"),
        ("raw.pth", "raw.pth"),
        ("cut.safetensors", "safetensors"),
    ):
        assert says in refused(call, tmp_path, "colorize", photo.name, *toy, "-p", name, code=3)
    assert "sha256" in refused(call, tmp_path, "priors", "verify", "toy", "--sha256", "00", code=3)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("restore",),
        ("priors", "info", "nope"),
        ("degradations", "info", "grau"),
        ("recipes", "show", "nope"),
        ("priors", "sample", "toy", "-o", "photo.png/x.png"),
        ("priors", "sample", "toy", "-o", "x.jpeg"),
        ("degradations", "preview", "missing.png", "-d", "gray", "-o", "x.png"),
        ("evaluate", "nowhere", "-d", "gray"),
        ("evaluate", "photo.png", "-d", "gray"),
        ("evaluate", "empty", "-d", "gray"),
        ("evaluate", "set", "-d", "grau", "-p", "toy"),
        ("evaluate", "set", "-d", "gray", "-p", "toy", "-r", "nope"),
        ("evaluate", "set", "-d", "gray", "-p", "toy", "-r", "latent-mse,latent-mse"),
        ("evaluate", "set", "-d", "gray", "-p", "toy", "-r", "latent-mse"),  # no class is called "set"
        ("evaluate", "set", "-d", "gray", "-d", "gray", "-p", "toy", "-r", "latent-mse", "--class", "auto"),
        ("evaluate", "set", "-d", "gray", "-p", "toy", "-r", "latent-mse", "--class", "auto", "--count", "2"),
        ("evaluate", "set", "-d", "gray", "-p", "toy", "-r", "latent-mse", "--class", "auto", "--judge", "absent"),
        # its classes are not called "set"
        ("evaluate", "set", "-d", "gray", "-p", "toy", "-r", "latent-mse", "--class", "auto", "--judge", JUDGE),
        (
            "evaluate",
            "set",
            "-d",
            "gray",
            "-p",
            "toy",
            "-r",
            "latent-mse",
            "--count",
            "1",
            "--per-class",
            "1",
        ),
    ],
)
def test_the_other_commands(call, photo, tmp_path, arguments):
    (tmp_path / "empty").mkdir()
    (tmp_path / "set").mkdir()
    colours(32, 32).save(tmp_path / "set/one.png")
    assert json.dumps(refused(call, tmp_path, *arguments))


@pytest.mark.parametrize("command", ["restore", "degradations preview"])
def test_a_plugin_with_a_fault_is_told_before_anything_runs(call, toy, photo, tmp_path, monkeypatch, command):
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_files", {})
    (tmp_path / "mine.py").write_text(
        "import degradations\n@degradations.register('faulty-for-cli-tests')\n"
        "class Faulty(degradations.Degradation):\n    def forward(self, x):\n        return x * self.strenth\n"
    )
    arguments = [*command.split(), photo.name, "-d", "gray+faulty-for-cli-tests", "--plugin", "mine.py"]
    arguments += [*toy] if command == "restore" else ["-o", "degraded.png"]
    says = refused(call, tmp_path, *arguments, code=3)
    assert "mine.py" in says and "no attribute 'strenth'" in says
    assert 'mine.py", line 5, in forward' in call(*arguments, "-v", code=3).stderr
