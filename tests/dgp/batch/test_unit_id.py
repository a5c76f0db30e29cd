"""The id of a unit depends on everything that its result depends on, and on nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgp.runs.job import Job
from dgp.runs.runner import Runner
from dgp.runs.settings import RunSettings
from tests.cli.conftest import TINY, colours

SETTINGS = RunSettings(degradation="gray", prior="toy", recipe=TINY)


@pytest.fixture(scope="module")
def runner():
    return Runner.load(SETTINGS)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    colours().save("photo.png")
    for number in range(2):
        mask = np.zeros((31, 47), np.uint8)
        mask[8 + number : 16] = 255
        Image.fromarray(mask).save(f"mask{number}.png")
    return tmp_path


def unit(runner, path="photo.png", name="photo", output="out", **changes):
    changed = replace(runner, settings=replace(runner.settings, **changes))
    return changed.unit(Job(Path(path), Path(output), name))


def test_it_depends_on_the_settings(runner, here):
    start = here / "start"
    start.mkdir()
    (start / "latents.safetensors").write_bytes(b"1")
    changes = [
        {},
        {"degradation": "sr:2"},
        {"degradation": "auto"},
        {"degradation": "inpaint:mask=mask0.png"},
        {"degradation": "inpaint:mask=mask1.png"},
        {"degradation": "inpaint:mask=mask1.png,invert=true"},
        {"degradation": "gray+inpaint:mask=mask1.png"},
        {"seed": 1},
        {"label": "second"},
        {"num_solutions": 2},
        {"fit": "crop"},
        {"weight": "mask0.png"},
        {"weight": "mask1.png"},
        {"align": "face"},
        {"align": "face", "landmarks": "mask0.png"},
        {"align": "face", "detector": "other"},
        {"simulate": True},
        {"simulate": True, "simulate_at": "photo"},
        {"truth": "sr:4"},
        {"start": "start"},
    ]
    ids = [unit(runner, **change) for change in changes]
    assert len(set(ids)) == len(ids)
    (start / "latents.safetensors").write_bytes(b"2")
    assert unit(runner, start="start") not in ids


def test_it_depends_on_picture_and_method(runner, here):
    colours(seed=1).save("other.png")
    ids = {unit(runner), unit(runner, "other.png")}
    for change in ("generator", "discriminator", "recipe", "plugins", "version"):
        value = ("changed",) if change == "plugins" else "changed"
        ids.add(unit(replace(runner, method=replace(runner.method, **{change: value}))))
    assert len(ids) == 7
    steps = Runner.load(replace(SETTINGS, overrides=("stages.0.steps=2",)))
    assert unit(steps) not in ids


def test_it_depends_on_nothing_else(runner, here):
    mine = unit(runner)
    (here / "moved").mkdir()
    (here / "photo.png").rename("moved/renamed.png")
    assert unit(runner, "moved/renamed.png", name="x/y", output="elsewhere") == mine
    for change in (
        {"degradation": "gray:luma=rec601"},
        {"device": "cpu"},
        {"landmarks": "mask0.png"},
        {"detector": "other"},
        {"simulate_at": "photo"},
    ):
        assert unit(runner, "moved/renamed.png", **change) == mine, change


def test_files_count_by_content(runner, here):
    masked = unit(runner, degradation="inpaint:mask=mask0.png", weight="mask1.png")
    (here / "mask0.png").rename("a name, with marks+.png")
    (here / "mask1.png").rename("w.png")
    moved = unit(runner, degradation='inpaint:mask="a name, with marks+.png"', weight="w.png")
    assert moved == masked


def test_a_command_that_chooses_the_operator_gives_the_same_unit(runner, here):
    import degradations

    chooser = replace(
        runner, specify=lambda picture, recipe: degradations.Gray(), settings=replace(SETTINGS, degradation=None)
    )
    assert unit(chooser) == unit(runner)


def test_settings_survive_json():
    settings = replace(SETTINGS, overrides=("a=1", "b=2"), plugins=("p.py",), budget=3)
    assert RunSettings.from_record(settings.record()) == settings
