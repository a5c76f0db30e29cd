"""Fixtures that several test folders use."""

import os
import tempfile
from pathlib import Path

# For the processes that tests start, too: several workers of pytest-xdist with several threads each would be many times
# slower. See dgp/cli/main.py.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

from generators.caching.cache_folder import cache_folder

# What the user has fetched is no matter of most tests (see ``fetched``), and the tests leave nothing there. Workers of
# pytest-xdist inherit the variables of the first process.
_FETCHED = Path(os.environ.setdefault("DGP_TESTS_FETCHED", str(cache_folder() / "priors")))
_CACHE = tempfile.TemporaryDirectory(prefix="dgp-tests-")
os.environ["DGP_CACHE"] = _CACHE.name

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden values and real pictures that developers keep beside the repository."""
    if not (SHARED / "fixtures").is_dir():
        pytest.skip("left out: the golden values (../shared) are not beside this repository")
    return SHARED


@pytest.fixture(scope="session")
def fetched():
    """A function from the name of published weights to the folder of their files, for tests marked ``weights``."""

    def folder(name: str) -> Path:
        found = _FETCHED / name
        if not found.is_dir():
            pytest.skip(f"left out: {name} has not been fetched; `dgp priors fetch {name}`")
        return found

    return folder


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small tensors run fastest, and bit-identically, on one thread; fixtures of modules and sessions do so, too."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def still_one_thread():
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def classes_alike():
    """Training a classifier for every operator of every test would take hours; its own tests put it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dgp.api.find_classes", lambda observation, prior: observation)
        yield


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Tests compare with tensors on the CPU; one of a GPU names it by device="cuda"."""
    monkeypatch.setattr("dgp.device.default_device", lambda: "cpu")
