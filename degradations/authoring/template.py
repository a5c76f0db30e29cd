"""The files that ``dgp degradations new`` writes: a working plugin and its passing test, to be adapted."""

from __future__ import annotations

import re
from pathlib import Path

from degradations.core.registry import names
from degradations.errors import PluginError, SpecError

PLUGIN = '''\
"""The degradation `NAME`. Use it by: dgp restore photo.png -d NAME:0.3 --plugin FILE"""

from degradations import Degradation, Parameter, register


@register("NAME")
class CLASS(Degradation):
    """Reduce the contrast: y = (1 - strength) x. (N, C, H, W) -> (N, C, H, W)."""

    # linear: y = A x, without a constant. smooth: differentiable. Set them to False otherwise.
    linear = True
    smooth = True
    # unit: in messages and tables. Lengths in pixels have unit="px", and shrink with the picture (see `scaled`).
    parameters_spec = (
        Parameter("strength", 0.5, bounds=(0.0, 0.9), unit="of the contrast", help="share that is lost"),
    )
    example = "NAME:0.3"
    strengths = ("NAME:0.2", "NAME:0.5", "NAME:0.8")  # for `dgp degradations sheet`

    def forward(self, x):
        """x and y: floats in [-1, 1]. Rows (the leading axis) are independent. `self.strength` is a number, or a tensor
        (N, 1, 1, 1) with one value for each row, so that it can be estimated: NAME:strength=auto."""
        return (1 - self.strength) * x
'''

TEST = '''\
"""Test the contract and the formula of `NAME`. Run by: python -m pytest TESTFILE"""

from pathlib import Path

import pytest
import torch

import degradations
from degradations.conformance import survey

degradations.load_plugin(Path(__file__).with_name("FILE"))


def test_contract():
    """Shapes, rows, adjoint, gradients, files, merge, noise, parameters; at two sizes, alone and in chains."""
    assert not {tried: findings for tried, findings in survey("NAME:0.3").items() if findings}


def test_what_it_does():
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    assert torch.equal(degradations.parse("NAME:0")(x), x)
    torch.testing.assert_close(degradations.parse("NAME:0.25")(x), 0.75 * x)


def test_what_it_refuses():
    with pytest.raises(degradations.SpecError, match="strength=2.0 is out of range"):
        degradations.parse("NAME:2")
'''


def make_plugin_and_test(name: str) -> dict[str, str]:
    """Return the two files of a new operator: file name -> content.

    Raises:
        SpecError: the name is malformed.
        PluginError: an operator of that name exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise SpecError(f"{name!r} cannot name a degradation; use small letters, digits and hyphens, a letter first")
    if name in names():
        raise PluginError(f"there is a degradation called {name!r} already; choose another name")
    file = name.replace("-", "_") + ".py"
    words = {
        "NAME": name,
        "CLASS": "".join(part.capitalize() for part in name.split("-")) or "New",
        "TESTFILE": f"test_{file}",
        "FILE": file,
    }
    fill = re.compile(r"\b(" + "|".join(words) + r")\b")
    return {
        written: fill.sub(lambda found: words[found[1]], text)
        for written, text in ((file, PLUGIN), (f"test_{file}", TEST))
    }


def write_new(name: str, folder: Path) -> list[Path]:
    """Write both files into a folder, which is created if necessary. Existing files are not replaced.

    Raises:
        SpecError: the name is malformed, a file of that name exists, or the folder cannot be written to.
        PluginError: an operator of that name exists.
    """
    files = {folder / file: text for file, text in make_plugin_and_test(name).items()}
    for path in files:
        if path.exists():
            raise SpecError(f"{path} exists, and is not replaced; choose another name, or another folder with -o")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise SpecError(
            f"cannot write into {folder}: {error.strerror or error}; choose another folder with -o"
        ) from error
    return list(files)
