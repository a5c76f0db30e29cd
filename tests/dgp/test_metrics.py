"""Metrics against independent formulas and scikit-image."""

import json
import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dgp.errors import InputError
from dgp.output import metrics


def pair(seed=0, hw=(24, 20)):
    g = torch.Generator().manual_seed(seed)
    a = torch.rand(3, *hw, generator=g) * 2 - 1
    return a, (a + 0.2 * torch.randn(3, *hw, generator=g)).clamp(-1, 1)


def unit(x):
    return ((x.double() + 1) / 2).permute(1, 2, 0).numpy()


def window_ssim(x, y, data_range):
    """SSIM of one 7x7 window of one channel by definition (Wang et al. 2004, eq. 13), sample covariance."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    cov = np.cov(x.ravel(), y.ravel())
    return ((2 * x.mean() * y.mean() + c1) * (2 * cov[0, 1] + c2)) / (
        (x.mean() ** 2 + y.mean() ** 2 + c1) * (cov[0, 0] + cov[1, 1] + c2)
    )


def test_against_scikit_image():
    a, b = pair()
    x, y = unit(a), unit(b)
    assert metrics.psnr(a, b) == pytest.approx(peak_signal_noise_ratio(y, x, data_range=1), abs=1e-9)
    expected = structural_similarity(x, y, channel_axis=2, data_range=1)
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-9)


def test_against_the_definitions():
    a, b = pair(hw=(7, 7))
    x, y = unit(a), unit(b)
    assert metrics.psnr(a, b) == pytest.approx(-10 * math.log10(((x - y) ** 2).mean()))
    for function, data_range in ((metrics.ssim, 1.0), (metrics.ssim_published, 2.0)):
        expected = np.mean([window_ssim(x[..., c], y[..., c], data_range) for c in range(3)])
        assert function(a, b) == pytest.approx(expected, abs=1e-9)
    assert metrics.ssim_published(a, b) > metrics.ssim(a, b)


def test_regions():
    a, b = pair(hw=(20, 20))
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[8:11, 9:12] = True
    x, y = unit(a), unit(b)
    error = ((x - y)[8:11, 9:12] ** 2).mean()
    assert metrics.psnr(a, b, mask) == pytest.approx(-10 * math.log10(error))
    windows = [
        window_ssim(x[i - 3 : i + 4, j - 3 : j + 4, c], y[i - 3 : i + 4, j - 3 : j + 4, c], 1.0)
        for i in range(8, 11)
        for j in range(9, 12)
        for c in range(3)
    ]
    assert metrics.ssim(a, b, mask[None]) == pytest.approx(np.mean(windows), abs=1e-9)
    outside = b.clone()
    outside[:, ~mask] = a[:, ~mask]
    assert metrics.psnr(a, outside, mask) == pytest.approx(metrics.psnr(a, b, mask))
    assert metrics.psnr(a, outside, ~mask) == math.inf


def test_wrong_shapes_are_refused():
    a, _ = pair()
    for other, mask in (
        (a[:, 1:], None),
        (a, torch.zeros(24, 20, dtype=torch.bool)),
        (a, torch.ones(5, 5, dtype=torch.bool)),
    ):
        with pytest.raises(InputError, match="expected"):
            metrics.psnr(a, other, mask)
    with pytest.raises(InputError, match="at least 7"):
        metrics.ssim(a[:, :6], a[:, :6])


def test_measure():
    a, b = pair()
    hole = torch.zeros(1, 24, 20, dtype=torch.bool)
    hole[:, 4:12, 4:12] = True
    entries = metrics.measure(a, b[None], hole)
    assert {"psnr", "ssim", "psnr_unobserved", "ssim_unobserved", "lpips", "ssim_published"} <= set(entries)
    assert entries["psnr"] == {"value": metrics.psnr(a, b), "region": "all", "higher_is_better": True}
    assert entries["ssim_unobserved"]["value"] == metrics.ssim(a, b, hole)
    assert entries["psnr_unobserved"]["region"] == "unobserved" and entries["lpips"]["higher_is_better"] is False


@pytest.mark.parametrize(
    ("original", "hole", "name", "reason"),
    [
        (None, None, "psnr", "no original"),
        (None, None, "ssim_unobserved", "no original"),
        (None, None, "lpips", "no original"),
        ("same", None, "psnr", "identical pictures: infinite"),
        ("same", None, "psnr_unobserved", "everything was observed"),
        ("small", None, "ssim", "smaller than"),
    ],
)
def test_what_cannot_be_measured_says_why(original, hole, name, reason):
    a, _ = pair()
    a = a[:, :5] if original == "small" else a
    entries = metrics.measure(a, None if original is None else a, hole)
    assert entries[name]["value"] is None and reason in entries[name]["reason"]
    json.dumps(entries, allow_nan=False)


def test_lpips_never_downloads_and_never_has_a_random_trunk(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    value, reason = metrics.lpips_or_reason(*pair(hw=(32, 32)))
    assert value is None and "nothing is downloaded" in reason
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").write_bytes(b"not the trunk")
    value, reason = metrics.lpips_or_reason(*pair(hw=(32, 32)))
    assert value is None and "damaged" in reason


def test_observation_fidelity():
    y = torch.zeros(1, 1, 8, 8)
    assert metrics.observation_fidelity(y + 0.2, y) == {
        "observation_psnr": pytest.approx(20.0),
        "exact": False,
        "size": [8, 8],
    }
    near = metrics.observation_fidelity(y + 0.9 / 255, y)
    assert near["exact"] and near["observation_psnr"] > 50
    same = metrics.observation_fidelity(y, y)
    assert same["exact"] and same["observation_psnr"] is None and "infinite" in same["reason"]
    hole = torch.zeros(1, 8, 8, dtype=torch.bool)
    hole[:, :4] = True
    half = y.clone()
    half[..., 4:, :] = 0.2
    assert metrics.observation_fidelity(half, y, hole)["observation_psnr"] == pytest.approx(20.0)
    json.dumps([metrics.observation_fidelity(y * math.nan, y), same], allow_nan=False)


def test_typicality():
    usual = metrics.typicality(torch.full((100,), 1.0))
    assert usual["norm"] == pytest.approx(10) and usual["typicality"] > 0.9
    assert metrics.typicality(torch.full((100,), 2.0))["typicality"] < 1e-6
    assert metrics.typicality(torch.zeros(100))["typicality"] == 0
    # two degrees of freedom: P(norm > r) = exp(-r^2 / 2)
    assert metrics.typicality(torch.tensor([3.0, 0.0]))["typicality"] == pytest.approx(2 * math.exp(-4.5), rel=1e-6)
