"""The benchmark's yardstick is rosinality's generator: its pictures, and its gradients at w+ and at the noise.

Golden values and tolerances: ../shared/fixtures/rosinality_tiny64_* and the specification beside them.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

SOURCE = Path(__file__).resolve().parents[2] / "benchmarks/speed"


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(SOURCE)
    import published_stylegan2
    import stylegan2_step

    return published_stylegan2, stylegan2_step


def test_the_restatement_computes_what_was_published(shared, benchmarks):
    content = torch.load(shared / "fixtures" / "rosinality_tiny64_ckpt.pt", weights_only=True)
    io = {n: torch.from_numpy(v) for n, v in np.load(shared / "fixtures" / "rosinality_tiny64_G_io.npz").items()}
    network = benchmarks[0].Generator({4: 32, 8: 32, 16: 24, 32: 16, 64: 12}, w_dim=32, layers=4)
    network.load_state_dict(content["g_ema"])
    assert (network.style(io["z"]) - io["w"]).abs().max() < 1e-5
    with torch.no_grad():
        fixed = network(network.style(io["z"])[:, None].expand(-1, 10, -1))
    assert (fixed - io["img_z_fixednoise"]).abs().max() < 1e-4
    w, noises = io["wplus"].requires_grad_(), [io[f"noise_{i}"].requires_grad_() for i in range(9)]
    picture = network(w, noises)
    ((picture * io["probe"]).sum() + picture.square().mean()).backward()
    assert (picture - io["img_wplus"]).abs().max() < 1e-4
    for found, wanted in zip([w, *noises], ["grad_wplus", *(f"grad_noise_{i}" for i in range(9))], strict=True):
        assert (found.grad - io[wanted]).abs().max() < 1e-4 * io[wanted].abs().max()
    # What makes it cost what it does.
    assert all(parameter.grad is not None for parameter in network.convs.parameters())


def test_both_implementations_compute_the_same(benchmarks):
    report = benchmarks[1].compare(64, multiplier=1, rows=1, repeats=1, chart="w++")
    assert max(report["largest_difference"].values()) < 1e-2 and report["ratio"]["cpu"] > 0
    assert {"published", "ours", "ours_released", "ours_w++"} <= report.keys()
