"""Test that a distribution built and installed by pip offers its operator to the command line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from degradations import SpecError, parse

pytest.importorskip("setuptools", minversion="70.1", reason="older ones cannot build a wheel by themselves")

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "pyproject.toml": """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "tiny-degradation"
version = "1"

[project.entry-points."dgp.degradations"]
tiny-negative = "tiny_degradation:Negative"

[tool.setuptools]
py-modules = ["tiny_degradation"]
""",
    "tiny_degradation.py": '''
from degradations import Degradation


class Negative(Degradation):
    """Light and dark are exchanged."""

    linear = True

    def forward(self, x):
        return -x
''',
}


def dgp(*arguments, path, cwd):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *path]))}
    command = [sys.executable, "-m", "dgp", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


def test_an_installed_package_offers_its_operator(tmp_path):
    for name, text in FILES.items():
        (tmp_path / "tiny").mkdir(exist_ok=True)
        (tmp_path / "tiny" / name).write_text(text)
    target = tmp_path / "installed"
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--target", str(target))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(tmp_path / "tiny")], check=True)
    assert (target / "tiny_degradation.py").exists() and list(target.glob("*.dist-info/entry_points.txt"))

    levels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    Image.fromarray(levels).save(tmp_path / "photo.png")
    asked = ("degradations", "preview", "photo.png", "-d", "tiny-negative+tiny-negative+tiny-negative", "-o", "y.png")
    done = dgp(*asked, path=[target], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.asarray(Image.open(tmp_path / "y.png")), 255 - levels)

    with pytest.raises(SpecError, match="no degradation is called 'tiny-negative'"):
        parse("tiny-negative")  # here, where the package is not
