"""Fixtures that several test folders use."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for the kernels of notebooks too; see dgp/cli/main.py

import pytest
import torch

# What the user has fetched is no matter of the tests, and the tests leave nothing there.
_CACHE = tempfile.TemporaryDirectory(prefix="dgp-tests-")
os.environ["DGP_CACHE"] = _CACHE.name

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden values and real pictures that developers keep beside the repository."""
    if not (SHARED / "fixtures").is_dir():
        pytest.skip("left out: the golden values (../shared) are not beside this repository")
    return SHARED


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors run fastest, and bit-identically, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Tests compare with tensors on the CPU; one of a GPU names it by device="cuda"."""
    monkeypatch.setattr("dgp.device.usual", lambda: "cpu")
