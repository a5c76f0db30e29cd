"""Tests that need a CUDA device: what it computes is what the CPU computes, within the tolerances that each states.

``DGP_GPU_TESTS_ON=cpu`` runs them on the CPU against itself, ``DGP_GPU_TESTS_ON=pretend`` on a device that is not there
(``tests/device/pretend.py``): for whoever changes them and has no GPU.
"""

import os
from pathlib import Path

import pytest
import torch

WHERE = os.environ.get("DGP_GPU_TESTS_ON", "cuda")


def pytest_collection_modifyitems(items):
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in mine:
        item.add_marker("gpu")
        if WHERE == "cuda" and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def device(monkeypatch):
    """The name of the device under test, where products and convolutions have the whole float32 precision."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    tf32(False, False)
    if WHERE != "pretend":
        yield WHERE
    else:
        from ..device import pretend  # it needs a newer PyTorch than the rest

        with pretend.registered(), pretend.Watch() as watch:
            for module in ("dgp.inversion", "dgp.api"):
                monkeypatch.setattr(f"{module}.resolve_device", lambda text: {"auto": "cpu"}.get(text, text))
            yield WHERE
        assert not watch.mixed and not watch.drawn
    tf32(*before)


def tf32(products: bool, convolutions: bool) -> None:
    """Whether they may round their factors to TF32."""
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions


def off_by(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The root mean squared difference, in parts of the root mean square of ``theirs``; on the CPU, in float64."""
    ours, theirs = ours.detach().cpu().double(), theirs.detach().cpu().double()
    return float((ours - theirs).norm() / theirs.norm().clamp_min(1e-12))
