"""The command line, called in a folder of its own with the toy prior and a recipe of two steps."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dgp.cli.main import main

TINY = str(Path(__file__).parent / "tiny.toml")


@pytest.fixture
def call(tmp_path, monkeypatch):
    """call("restore", "photo.png", ...) -> click's result, with `.json` where stdout is one JSON object."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        if "--json" in arguments:
            result.json = json.loads(result.stdout)
        return result

    return run


@pytest.fixture
def toy():
    """The options of a quick run."""
    return ("-p", "toy", "-r", TINY)


@pytest.fixture
def photo(tmp_path):
    """A colour picture of an odd, oblong size in the folder of the call."""
    path = tmp_path / "photo.png"
    colours().save(path)
    return path


def colours(width=47, height=31, seed=0):
    """Coloured blocks: a picture with edges, of any size."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (-(-height // 8), -(-width // 8), 3)).repeat(8, 0).repeat(8, 1)
    return Image.fromarray(blocks[:height, :width].astype(np.uint8))
