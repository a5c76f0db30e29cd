"""A thousand seeded cases: each is read, or refused in one line, within 5 s of CPU time and 1 GiB."""

import os
import random
import sys

import pytest

from tests.fuzz import readers
from tests.fuzz.campaign import run
from tests.fuzz.readers import READERS
from tests.fuzz.worker import Watch

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited as on Linux")


def test_a_thousand_damaged_inputs():
    found = run(1000, seed=0, names=list(READERS))
    assert found["faults"] == 0, found["faulty"]
    assert found["cases"] == 1000 and found["refusals"] > 500


@pytest.mark.parametrize("name", READERS)
def test_good_inputs_are_read(name, tmp_path, monkeypatch):
    """Otherwise the cases would only meet the first check of each reader."""
    monkeypatch.setattr(readers, "damaged", lambda data, others, chance: data)
    outcomes = []
    for number in range(8):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            READERS[name].read(READERS[name].make(folder, random.Random(number)))
            outcomes.append("")
        except Exception as error:  # noqa: BLE001  some good files are made to be refused
            outcomes.append(str(error))
    assert outcomes.count("") >= 2, outcomes


def test_a_case_is_made_by_its_seed_alone(tmp_path):
    for name, reader in READERS.items():
        made = []
        for folder in (tmp_path / f"{name} 1", tmp_path / f"{name} 2"):
            folder.mkdir()
            value = reader.make(folder, random.Random("7"))
            files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            made.append((str(value).replace(str(folder), ""), files))
        assert made[0] == made[1], name


def test_the_watch_sees_what_must_not_be(tmp_path):
    watch = Watch()
    watch.folder = str(tmp_path)
    watch("open", (str(tmp_path / "a"), "w", os.O_WRONLY))
    watch("open", ("/etc/hosts", "r", os.O_RDONLY))
    assert watch.seen == []
    watch("open", (str(tmp_path) + "x/a", "w", os.O_WRONLY))
    watch("subprocess.Popen", ("touch", ["touch"], None, None))
    watch("os.mkdir", ("/tmp/canary", 0o777, -1))
    assert len(watch.seen) == 3
