"""Test that photographs restored at their own size keep what they show, and gain by stated margins."""

import pytest
import torch
from skimage import data

from degradations import Degradation, describe, names, parse
from degradations.files.pictures import luma
from degradations.resampling.resample import resize
from degradations.solvers.membrane import extend_membrane
from degradations.solvers.sparse_change import extract_sparse_change
from degradations.solvers.sparse_solution import fill_sparsely

SIZE = (96, 112)


def cat():
    """A part of scikit-image's cat, (1, 3, 96, 112)."""
    picture = torch.from_numpy(data.chelsea()[70:262:2, 110:334:2].copy()).permute(2, 0, 1)[None].float()
    return picture / 127.5 - 1


def answer(truth):
    """What a prior of 16 pixels gives at best, enlarged."""
    return resize(resize(truth, (16, 16), "bilinear"), SIZE, "bicubic").clamp(-1, 1)


def psnr(a, b):
    return float(10 * torch.log10(4 / (a - b).square().mean()))


def restore(spec):
    truth = cat()
    phi = parse(spec).build(seed=1, size=SIZE)
    y = phi.simulate(truth, torch.Generator().manual_seed(1))
    return phi, truth, y, phi.restore_detail(answer(truth), y)


# Least gain over y in dB; about 0.7 of what was measured.
GAINS = {
    "noise:0.1": 5.5,
    "poisson:30": 6,
    "speckle:0.2": 5.5,
    "salt-pepper:0.1": 16,
    "dropout:0.3": 14,
    "blur:1.5": 2.5,
    "defocus:2": 6,
    "motion-blur:length=6,angle=30": 7.5,
    "rescale:2": 0.45,
    "jpeg:15": 0.7,
    "quantise:6": 3,
    "dither:2": 12,
    "dither:4": 6.5,
    "inpaint:pixels=0.7": 8,
    "inpaint:strokes=0.3": 7,
    "scanlines:strength=1,shade=gray,period=3": 8.5,
    "fade:0.4": 24,
    "sepia:0.5": 19,
    "channel:blue": 14,
    "white-balance:blue=0.3+noise:0.03": 8.5,
    "photo": 7,
    "blur:1.5+noise:0.03": 1.8,
    "fade:0.6+noise:0.05+jpeg:40": 6,
}


@pytest.mark.parametrize("spec", GAINS)
def test_gain_over_the_untouched_photograph(spec):
    _, truth, y, restored = restore(spec)
    assert restored.shape == truth.shape
    assert restored.abs().max() <= 1
    assert psnr(restored, truth) - psnr(y, truth) > GAINS[spec]


def test_demosaicing_beats_bilinear_demosaicing():
    phi, truth, y, restored = restore("mosaic")
    assert psnr(restored, truth) - psnr(phi.lift(y, SIZE), truth) > 4.5
    torch.testing.assert_close(phi(restored), y, rtol=0, atol=0)


@pytest.mark.parametrize(("spec", "gain"), [("sr:2", 0.4), ("sr:4", 0.5), ("sr-pulse:4", 0.4)])
def test_super_resolution_beats_bicubic_enlargement(spec, gain):
    _, truth, y, restored = restore(spec)
    assert psnr(restored, truth) - psnr(resize(y, SIZE, "bicubic").clamp(-1, 1), truth) > gain


def test_grey_keeps_the_luma_of_y_and_the_chroma_of_x():
    phi, truth, y, restored = restore("gray")
    torch.testing.assert_close(luma(restored), y, rtol=0, atol=1e-5)
    x = answer(truth)
    assert psnr(restored - luma(restored), x - luma(x)) > 40


@pytest.mark.parametrize("spec", ["inpaint:strokes=0.3", "inpaint:pixels=0.7", "inpaint:center=1/3", "crop:center=2/3"])
def test_seen_pixels_stay_bit_for_bit(spec):
    phi, truth, y, restored = restore(spec)
    seen = ~phi.unobserved(SIZE)[:, None].expand_as(truth)
    assert torch.equal(restored[seen], phi.lift(y, SIZE)[seen])


def test_fine_jpeg_and_pixels_that_were_not_hit_stay_bit_for_bit():
    _, _, y, restored = restore("jpeg:80")
    assert torch.equal(restored, y)
    _, truth, y, restored = restore("salt-pepper:0.1")
    hit = (y.abs() == 1).all(1, keepdim=True).expand_as(y)
    assert torch.equal(restored[~hit], y[~hit])


@pytest.mark.parametrize("spec", ["noise:0.05", "jpeg:20", "quantise:8", "blur:1.5", "inpaint:pixels=0.3", "photo"])
def test_a_wrong_answer_of_the_prior_leaves_the_photograph_no_worse(spec):
    truth = cat()
    phi = parse(spec).build(seed=1, size=SIZE)
    y = phi.simulate(truth, torch.Generator().manual_seed(1))
    wrong = -answer(truth).flip(3)
    assert psnr(phi.restore_detail(wrong, y), truth) > psnr(y, truth) - 0.1


def test_rows_are_independent():
    truth = cat()
    phi, x = parse("blur:1+fade:0.7+noise:0.05"), torch.cat([answer(truth), truth.flip(2)])
    y = torch.cat([phi.simulate(v, torch.Generator().manual_seed(1)) for v in (truth, truth.flip(3))])
    both = phi.restore_detail(x, y)
    for i in range(2):
        torch.testing.assert_close(phi.restore_detail(x[i : i + 1], y[i : i + 1]), both[i : i + 1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("spec", ["noise:0.1", "blur:1", "mosaic", "jpeg:20"])
def test_restored_parts_equal_the_restored_whole(spec):
    truth = torch.cat([cat(), cat().flip(3)], 3)
    phi, x, size = parse(spec), torch.cat([answer(cat()), answer(cat()).flip(3)], 3), (96, 224)
    y = phi.simulate(truth, torch.Generator().manual_seed(1))
    left = 112 - phi.detail_margin(size)
    part = phi.part((left, 0, 224, 96), size).restore_detail(x[..., left:], y[..., left:])
    error = (part[..., 112 - left :] - phi.restore_detail(x, y)[..., 112:]).abs()
    assert error.mean() < 0.003
    assert error.max() < 0.03


class Steps(Degradation):
    smooth = False

    def forward(self, x):
        return (x * 4).round() / 4


class Columns(Degradation):
    linear = True

    def forward(self, x):
        return x * (torch.arange(x.shape[-1]) % 4 > 0)


def test_operators_that_only_write_forward():
    truth = cat()
    steps, columns = Steps()(truth), Columns()(truth)
    assert torch.equal(Steps().restore_detail(answer(truth), steps), steps)
    restored = Columns().restore_detail(answer(truth), columns)
    assert psnr(restored, truth) > 28  # 10.6 for y, 20.7 for x


def test_every_operator_restores_a_picture_of_another_shape():
    for name in sorted(set(names()) - {"deepinv", "matrix"}):
        phi = parse(describe(name).example).build(seed=0, size=(37, 31))
        truth = cat()[..., :37, :31]
        restored = phi.restore_detail(truth * 0.5, phi.simulate(truth))
        assert restored.shape == truth.shape
        assert restored.isfinite().all()
        assert restored.abs().max() <= 1, name


# ---- solvers


def test_a_membrane_is_harmonic_in_holes_and_keeps_to_the_range_of_its_rim():
    values = torch.rand(1, 2, 40, 53, generator=torch.Generator().manual_seed(0))
    known = torch.rand(1, 1, 40, 53, generator=torch.Generator().manual_seed(1)) < 0.3
    membrane = extend_membrane(values, known)
    assert torch.equal(membrane[known.expand_as(values)], values[known.expand_as(values)])
    assert values.min() <= membrane.min() and membrane.max() <= values.max()
    inside = membrane[..., 1:-1, 1:-1]
    mean = (membrane[..., :-2, 1:-1] + membrane[..., 2:, 1:-1] + membrane[..., 1:-1, :-2] + membrane[..., 1:-1, 2:]) / 4
    free = ~known[..., 1:-1, 1:-1].expand_as(inside)
    assert (inside - mean)[free].abs().mean() < 0.01  # 0.2 for the values themselves


def test_a_membrane_over_a_large_hole_is_flat_where_its_rim_is():
    known = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    known[..., 8:56, 8:56] = False
    values = torch.where(known, 0.37, torch.zeros(()))
    torch.testing.assert_close(extend_membrane(values, known), torch.full((1, 1, 64, 64), 0.37), rtol=0, atol=1e-5)
    assert (extend_membrane(values, torch.zeros_like(known)) == 0).all()


def test_a_sparse_change_keeps_edges_and_drops_noise():
    edge = torch.zeros(1, 3, 40, 44)
    edge[..., 20:] = 1
    noise = 0.1 * torch.randn(edge.shape, generator=torch.Generator().manual_seed(0))
    deviation = torch.full((1, 1, 1, 1), 0.1)
    assert extract_sparse_change(noise, deviation).square().mean() < 0.05 * 0.01
    assert (extract_sparse_change(edge + noise, deviation) - edge).square().mean() < 0.12 * 0.01
    torch.testing.assert_close(extract_sparse_change(edge, deviation * 1e-4), edge, rtol=0, atol=1e-4)


def test_filling_infers_texture_that_a_membrane_does_not():
    truth, known = cat(), torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(0)) < 0.7
    x = answer(truth)
    smooth = x + extend_membrane(truth - x, known)
    assert psnr(fill_sparsely(x, truth, known), truth) - psnr(smooth, truth) > 0.4
