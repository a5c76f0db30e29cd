"""Test compressive sensing, Bayer mosaic, scanlines, matrices and rescaling."""

import numpy as np
import pytest
import torch
from PIL import Image

from degradations import SizeError, SpecError, parse


def pictures(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def dense(phi, size):
    """The matrix of a linear operator that treats channels alike."""
    numbers = size[0] * size[1]
    return phi(torch.eye(numbers, dtype=torch.float64).view(numbers, 1, *size)).flatten(1).mT


@pytest.mark.parametrize("size", [(8, 8), (9, 7)])
def test_circulant_rows_are_orthogonal(size):
    """A quarter of an orthonormal system: measurements of a picture tell distances."""
    a = dense(parse("sensing:fraction=0.5,seed=3"), size)
    assert a.shape == (round(size[0] / 2) * size[1], size[0] * size[1])
    torch.testing.assert_close(a @ a.mT, torch.eye(len(a), dtype=a.dtype) / 16, rtol=0, atol=1e-12)
    assert a.abs().max() < 0.25 * 0.6, "each number is a mixture of all pixels"


def test_gaussian_rows_are_independent_normal():
    a = dense(parse("sensing:kind=gaussian,seed=1"), (16, 16)) * 4 * 16
    assert a.shape == (64, 256)
    assert abs(a.mean()) < 0.03
    assert a.std() == pytest.approx(1, abs=0.03)
    assert (a**4).mean() == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("kind", ["circulant", "gaussian"])
def test_seeds_of_sensing(kind):
    x = pictures(1, 3, 8, 8)
    asked = parse(f"sensing:kind={kind}")
    one, two = asked.build(seed=1), asked.build(seed=2)
    assert not torch.equal(one(x), two(x))
    assert torch.equal(one(x), parse(one.spec)(x))
    assert "seed=1" in one.spec


@pytest.mark.parametrize("spec", ["sensing:seed=0", "sensing:kind=gaussian,seed=0", "sr:2+sensing:fraction=0.5,seed=1"])
def test_merge_meets_all_measurements(spec):
    phi, truth = parse(spec), pictures(2, 3, 16, 12) * 0.7
    x = (truth + 0.2 * pictures(2, 3, 16, 12, seed=1)).clamp(-1, 1)
    merged = phi.merge(x, phi(truth))
    torch.testing.assert_close(phi(merged), phi(truth), rtol=0, atol=1e-7)
    assert (merged - truth).norm() < (x - truth).norm()


def test_files_hold_measurements():
    phi, x = parse("sensing:seed=2"), pictures(1, 3, 16, 16).float()
    y = phi.simulate(x)
    assert phi.picture(y).size == (16, 4)
    assert torch.equal(phi.read(phi.picture(y)), y)
    assert (y.abs() < 1).all(), "nothing is clipped"
    smallest = phi.lift(phi(x), (16, 16))
    torch.testing.assert_close(phi(smallest), phi(x), rtol=0, atol=1e-5)
    assert smallest.norm() < x.norm()


def test_large_pictures_need_no_matrix():
    assert parse("sensing:0.1")(torch.zeros(1, 1, 300, 257)).shape == (1, 1, 30, 257)
    with pytest.raises(SizeError, match="use kind=circulant"):
        parse("sensing:kind=gaussian")(torch.zeros(1, 3, 256, 256))


def test_mosaic_takes_one_colour_a_pixel():
    x = pictures(2, 3, 5, 4)
    for pattern in ("rggb", "bggr", "grbg", "gbrg"):
        y = parse(f"mosaic:{pattern}")(x)
        for row in range(5):
            for column in range(4):
                channel = "rgb".index(pattern[row % 2 * 2 + column % 2])
                assert torch.equal(y[:, 0, row, column], x[:, channel, row, column])


def test_mosaic_reads_and_demosaics():
    phi = parse("mosaic")
    flat = torch.tensor([0.2, -0.4, 0.6]).view(1, 3, 1, 1).expand(1, 3, 6, 6)
    torch.testing.assert_close(phi.lift(phi(flat), (6, 6)), flat)
    levels = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    picture = Image.fromarray(levels)
    y = phi(torch.from_numpy(levels).permute(2, 0, 1)[None] / 127.5 - 1)
    torch.testing.assert_close(phi.read(picture), y)
    torch.testing.assert_close(phi.read(phi.picture(y)), y)
    with pytest.raises(SizeError, match="red, green and blue"):
        parse("gray+mosaic")(torch.zeros(1, 3, 4, 4))


def test_scanlines_darken_the_last_rows_of_each_period():
    x = pictures(1, 3, 7, 4)
    y = parse("scanlines:strength=0.25,period=3,width=2")(x)
    dark = torch.tensor([0, 1, 1, 0, 1, 1, 0]).bool()
    assert torch.equal(y[..., ~dark, :], x[..., ~dark, :])
    torch.testing.assert_close(y[..., dark, :], x[..., dark, :] * 0.75 - 0.25)


@pytest.mark.parametrize("spec", ["scanlines:0.5", "scanlines:1", "scanlines:strength=1,shade=gray,period=4"])
def test_scanlines_are_undone(spec):
    phi, truth, x = parse(spec), pictures(2, 3, 9, 5), pictures(2, 3, 9, 5, seed=1)
    merged, hidden = phi.merge(x, phi(truth)), phi.unobserved((9, 5))
    gone = torch.zeros(9, 5, dtype=torch.bool) if hidden is None else hidden[0]
    assert bool(gone.any()) == ("1" in spec)
    torch.testing.assert_close(merged[..., ~gone], truth[..., ~gone])
    assert torch.equal(merged[..., gone], x[..., gone])
    assert torch.equal(phi.read(phi.picture(phi.simulate(truth[:1].float()))), phi.simulate(truth[:1].float()))


def test_scanlines_of_each_row():
    x, strength = pictures(2, 1, 4, 3), torch.tensor([0.2, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: parse("scanlines").bind({"strength": s})(x), strength)
    y = parse("scanlines").bind({"strength": strength})(x)
    torch.testing.assert_close(y[1:], parse("scanlines:0.7")(x[1:]))


@pytest.mark.parametrize(
    ("of", "rows", "c"), [("all", 10, 1), ("pixels", 9, 3), ("channels", 3, 3), ("channels", 1, 1)]
)
def test_matrices(tmp_path, of, rows, c):
    size = (5, 4)
    columns = {"all": 60, "pixels": 20, "channels": 3}[of]
    m = np.random.default_rng(0).uniform(-1, 1, (rows, columns)) / columns
    np.save(tmp_path / "m.npy", m)
    phi = parse(f"matrix:file={tmp_path / 'm.npy'},of={of}")
    shape = {10: (2, 5), 9: (3, 3)}.get(rows, size)
    assert (phi.channels(3), *phi.size(size)) == (c, *shape), "also before it is built"
    phi, x = phi.build(), pictures(2, 3, *size)
    flat = {"all": x.flatten(1)[:, None], "pixels": x.flatten(2), "channels": x.flatten(2).mT}[of].numpy() @ m.T
    flat = flat.swapaxes(1, 2) if of == "channels" else flat
    y = phi(x)
    np.testing.assert_allclose(y.flatten(2).numpy(), flat, rtol=0, atol=1e-12)
    assert phi.lift(y, size).shape == x.shape
    v = pictures(*y.shape, seed=1)
    assert abs((y * v).sum() - (x * phi.adjoint(v, size)).sum()) < 1e-12 * y.norm() * v.norm()
    assert torch.equal(phi.read(phi.picture(phi.simulate(x[:1].float()))), phi.simulate(x[:1].float()))


def test_a_well_conditioned_matrix_is_met_exactly_and_another_to_within_rounding(tmp_path):
    random = np.random.default_rng(0)
    q, _ = np.linalg.qr(random.normal(size=(48, 48)))
    np.save(tmp_path / "good.npy", q[:20] / 4)
    np.save(tmp_path / "bad.npy", np.diag(0.5 ** np.arange(48)) @ q / 4)
    truth, x = pictures(2, 3, 4, 4) * 0.5, pictures(2, 3, 4, 4, seed=1)
    for name, most in (("good", 1e-7), ("bad", 2 / 255 / 12**0.5)):
        phi = parse(f"matrix:{tmp_path / name}.npy").build()
        assert phi.well_posed == (name == "good")
        error = phi(phi.merge(x, phi(truth))) - phi(truth)
        assert error.square().flatten(1).mean(1).sqrt().max() <= most


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ('matrix:"1 2/3"', "rows of [1, 2] numbers"),
        ('matrix:file="1 2/3 4",of=channels', "2x2; of=channels takes 1 or 3 rows of 3"),
        ('matrix:file="1 2/3 4/5 6",of=pixels,height=2', "3 rows, which are no picture of height 2"),
        ('matrix:file="1 2 3",of=channels,height=2', "height has no effect"),
        ("rescale:0.5", "out of range"),
        ("rescale:2-x", "is not a number such as 4"),
        ("rescale:factor=2,up=sharp", "one of nearest"),
        ("scanlines:period=3,width=3", "leaves nothing"),
        ("scanlines:2", "out of range"),
        ("mosaic:rgbg", "one of rggb"),
        ("sensing:0", "out of range"),
        ("sensing:kind=fourier", "one of circulant"),
        ("sensing:auto", "not possible for"),
    ],
)
def test_refused_in_one_line(spec, words):
    with pytest.raises(SpecError) as refused:
        parse(spec)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_matrix_of_another_size_is_refused():
    with pytest.raises(SizeError, match=r"48 numbers; matrix .* takes 2"):
        parse('matrix:"1 2/3 4"')(torch.zeros(1, 3, 4, 4))
    with pytest.raises(SpecError, match="build"):
        parse("kernel:none.npy")(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("spec", ["rescale:2.5", "rescale:2-3", "rescale:factor=4,filter=box,up=nearest"])
def test_rescale_is_pillows(spec):
    phi, x = parse(spec), pictures(1, 1, 17, 13).float()
    way = {name: getattr(Image.Resampling, getattr(phi, name).upper()) for name in ("filter", "up")}
    picture = Image.fromarray(x[0, 0].numpy())
    for factor in phi.factors:
        small = picture.resize((int(13 / factor), int(17 / factor)), way["filter"])
        picture = small.resize((13, 17), way["up"])
    np.testing.assert_allclose(phi(x)[0, 0].numpy(), np.asarray(picture), rtol=0, atol=2e-6)
