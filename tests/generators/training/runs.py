"""Tiny runs on generated pictures."""

import io
import zipfile

import numpy as np
from click.testing import CliRunner
from PIL import Image

from generators.training.command import main


def drawn(number, kind, side):
    """A bright disc or stripes, in colours and places of their own."""
    random = np.random.default_rng([number, kind])
    y, x = np.mgrid[:side, :side]
    dark, bright = random.uniform(0, 90, 3), random.uniform(160, 255, 3)
    cy, cx = random.uniform(0.35, 0.65, 2) * side
    inside = (y - cy) ** 2 + (x - cx) ** 2 < (side / 4) ** 2 if kind == 0 else (x + number) // (side // 8) % 2 == 0
    return Image.fromarray(np.where(inside[..., None], bright, dark).astype(np.uint8))


def archive(path, side, count=256, classes=("airplane", "truck")):
    """A zip of class folders with ``count`` pictures in all."""
    with zipfile.ZipFile(path, "w") as file:
        for number in range(count):
            kind = number % len(classes)
            buffer = io.BytesIO()
            drawn(number, kind, side).save(buffer, "png")
            file.writestr(f"train/{classes[kind]}/{number:04d}.png", buffer.getvalue())
    return path


# Width, batch and z of networks that take a twentieth of a second a step. bfloat16 is five times slower on processors
# that have no instructions for it; one of the two is enough to try it.
TINY = {
    "biggan": (32, "--width 2 --z-dim 8 --batch 8 --d-steps 2 --precision fp32"),
    "stylegan2": (16, "--width 8 --z-dim 8 --batch 8 --r1 0.1"),
}


def arguments(arch, data, out, more=""):
    return (
        f"--arch {arch} --data {data} --out {out} {TINY[arch][1]} --threads 1 --log-steps 1 --device cpu {more}".split()
    )


def trained(arch, data, out, more=""):
    """Within this process. Raises what it was refused for."""
    result = CliRunner().invoke(main, arguments(arch, data, out, more), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
