"""The numbers that stand for a picture: finite, of each picture alone, and each telling what it is there for."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dgp.identify import blocks, grain, spectrum
from dgp.identify.sources import APART, PHOTOGRAPHS, random_crops, sources
from dgp.identify.statistics import LUMA, statistics
from generators import load


def photographs(count=4, side=64):
    return random_crops(PHOTOGRAPHS, count, side, np.random.default_rng(0))


def evidence(pictures):
    levels = ((pictures + 1) * 127.5).round()
    luma = (levels * torch.tensor(LUMA)[:, None, None]).sum(1)
    return blocks.evidence(blocks.amplitudes(luma), blocks.unclipped_blocks(levels))


def stored(picture, quality, subsampling=2):
    file, pixels = io.BytesIO(), ((picture + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 127.5 - 1


@pytest.mark.parametrize("size", [(32, 32), (37, 31), (5, 8), (64, 80)])
@pytest.mark.parametrize("channels", [1, 3])
def test_as_many_numbers_for_every_size_and_each_row_alone(size, channels):
    y = torch.rand(3, channels, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = statistics(y)
    assert found.shape[1] == statistics(torch.zeros(1, channels, 32, 32)).shape[1] and found.isfinite().all()
    for row, alone in zip(found, y, strict=True):
        torch.testing.assert_close(statistics(alone[None])[0], row, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0, 3.0])
def test_flat_pictures_have_numbers_too(value):
    assert statistics(torch.full((1, 3, 32, 32), value)).isfinite().all()


def test_what_differs_is_told_apart():
    x = photographs(2)
    x[1] = x[0] * 0.9
    assert (statistics(x).diff(dim=0).abs() > 0.01).sum() > 20


@pytest.mark.parametrize("sigma", [5.0, 20.0])
def test_deviations_of_noise_alone(sigma):
    noise = 128 + sigma * torch.randn(8, 64, 64, generator=torch.Generator().manual_seed(1))
    found = grain.deviations(noise).exp().mean(0)
    assert (found[[0, 3]] / sigma - 1).abs().max() < 0.1, "the median of diagonal details is Donoho's estimate"
    smooth = torch.linspace(0, 255, 64).expand(1, 64, 64)
    assert grain.deviations(smooth + 0 * noise[:1]).exp()[0, 0] < 0.1 * sigma


def test_the_cosine_basis_is_orthonormal_and_diagonalises_blur_with_mirrored_edges():
    from scipy.ndimage import gaussian_filter1d

    basis = spectrum.cosines(24).double()
    torch.testing.assert_close(basis @ basis.T, torch.eye(24).double(), atol=1e-6, rtol=0)
    blur = torch.from_numpy(gaussian_filter1d(np.eye(24), 1.5, axis=0, mode="reflect"))
    seen = basis @ blur @ basis.T
    torch.testing.assert_close(seen, seen.diag().diag(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("quality", [20, 45, 74, 90])
def test_the_lattice_of_a_quality_is_found(quality):
    pictures = torch.stack([stored(p, quality) for p in photographs(6, 48)])
    best, where = evidence(pictures).max(1)
    found = torch.tensor(blocks.QUALITIES)[where]
    assert ((found == quality) & (best > 5)).sum() >= 5


def test_what_was_never_stored_lies_on_no_lattice():
    pictures = photographs(6, 48)
    pictures = pictures + torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0)) * 0.01
    coarse = [k for k, quality in enumerate(blocks.QUALITIES) if quality <= 85]
    assert (evidence(pictures)[:, coarse] < 0).all()


def test_tables_are_pillows():
    for quality, steps in zip(blocks.QUALITIES, blocks.tables(), strict=True):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        assert Image.open(file).quantization[0] == steps.int().tolist()


def test_sources_are_of_the_prior_among_photographs(monkeypatch):
    monkeypatch.setattr("generators.bank.SHARD", 20)
    toy = load("toy")
    pictures = sources(toy, range(20), 0)
    assert pictures.shape == (20, 3, 32, 32) and pictures.abs().max() <= 1
    assert torch.equal(pictures, sources(toy, range(20), 0)) and not torch.equal(pictures, sources(toy, range(20), 1))
    assert sources(toy, range(10, 20), 0, side=16).shape == (10, 3, 16, 16)
    assert not set(APART) & set(PHOTOGRAPHS)
