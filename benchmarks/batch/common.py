"""What the scripts of this folder share: pictures, recipe, and calls of `dgp`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

RECIPE = """\
name = "small"
summary = "A search and two stages, of a few steps"
cites = []

[[searches]]
kind = "best-of"
count = 8
terms = [{{ kind = "mse" }}]

[every_stage]
move = {{ z = {{}} }}
lr = 0.05
terms = [{{ kind = "mse" }}]

[[stages]]
name = "latents"
steps = {steps}

[[stages]]
name = "layers"
steps = {steps}
release = {{ groups = 1, lr = 0.001 }}
"""
NAMES = "result.json", "failed.json", "batch.json", "units.jsonl"  # files that state times or calls


def make_pictures(folder: Path, count: int, damaged: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Write pictures of coloured blocks, and damaged ones in between.

    Returns:
        The names of the folders of the good units, and of the bad ones.
    """
    random = np.random.default_rng(seed)
    bad = set(random.choice(count, damaged, replace=False).tolist())
    folder.mkdir(parents=True)
    names = [f"{number:04}" for number in range(count)]
    for number, name in enumerate(names):
        blocks = random.integers(0, 256, (6, 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(blocks).save(folder / f"{name}.png")
        if number in bad:
            path = folder / f"{name}.png"
            path.write_bytes(path.read_bytes()[:60])
    return [n for k, n in enumerate(names) if k not in bad], [n for k, n in enumerate(names) if k in bad]


def options(folder: Path, prior: str, steps: int) -> list[str]:
    """Write the recipe, and return the options of a run with it."""
    recipe = folder / "small.toml"
    recipe.write_text(RECIPE.format(steps=steps))
    return ["-d", "gray", "-p", prior, "-r", str(recipe), "--class", "0", "--device", "cpu"]


def start(arguments: list[str], folder: Path, threads: int = 1) -> subprocess.Popen:
    """Start `dgp` with arguments in a folder, with a number of threads a process."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    words = [sys.executable, "-m", "dgp", *arguments]
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(arguments: list[str], folder: Path, threads: int = 1) -> tuple[int, dict]:
    """Run `dgp` with arguments; return its exit code, and its JSON object, {} without one."""
    process = start(arguments, folder, threads)
    out, _ = process.communicate()
    return process.returncode, json.loads(out) if out.strip() else {}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a unit that are equal for equal units, by name."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in NAMES)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
