"""Test blur operators against scipy, and as functions of their parameters."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from degradations import SpecError, parse
from degradations.blur.blur import MotionBlur
from degradations.blur.convolution import convolve, correlate

SIZES = [(16, 16), (13, 8), (3, 20)]


def pictures(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.62, 1.5, 4, 11])
@pytest.mark.parametrize("size", SIZES)
def test_gaussian_is_scipys(size, sigma):
    x = pictures(2, 3, *size)
    expected = ndimage.gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="reflect")
    np.testing.assert_allclose(parse(f"blur:{sigma}")(x).numpy(), expected, rtol=0, atol=1e-12)
    single = parse(f"blur:{sigma}")(x.float())
    np.testing.assert_allclose(single.numpy(), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("shape", [(3, 3), (4, 5), (2, 2), (9, 1), (6, 30)])
@pytest.mark.parametrize("size", SIZES)
def test_convolution_is_scipys_and_its_adjoint_exact(size, shape):
    x, kernel = pictures(2, 3, *size), pictures(1, 1, *shape, seed=1)
    expected = np.stack([[ndimage.convolve(c, kernel[0, 0].numpy(), mode="reflect") for c in row] for row in x.numpy()])
    y, v = convolve(x, kernel), pictures(2, 3, *size, seed=2)
    np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=1e-12)
    assert abs((y * v).sum() - (x * correlate(v, kernel)).sum()) < 1e-12 * y.norm() * v.norm()


@pytest.mark.parametrize("spec", ["blur:1.3", "motion-blur:length=4,angle=20", "defocus:1.7"])
def test_exact_adjoint(spec):
    phi, x, v = parse(spec), pictures(2, 3, 37, 31), pictures(2, 3, 37, 31, seed=1)
    left, right = (phi(x) * v).sum(), (x * phi.adjoint(v, (37, 31))).sum()
    assert abs(left - right) < 1e-12 * phi(x).norm() * v.norm()


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ("blur", {"sigma": (0.7, 1.3)}),
        ("motion-blur", {"length": (3.3, 4.2), "angle": (20.0, -35.0)}),
        ("defocus", {"radius": (1.2, 2.3)}),
    ],
)
def test_smooth_in_each_rows_parameters(spec, values):
    x = pictures(2, 1, 7, 6)
    tensors = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values.values()]

    def act(*given):
        return parse(spec).bind(dict(zip(values, given, strict=True)))(x)

    assert torch.autograd.gradcheck(act, tensors)
    y = act(*tensors)
    for i in range(2):
        plain = parse(f"{spec}:" + ",".join(f"{name}={v[i]}" for name, v in values.items()))
        torch.testing.assert_close(plain(x[i : i + 1]), y[i : i + 1], rtol=0, atol=1e-9)


def test_nothing_happens_at_the_low_end():
    x = pictures(1, 3, 9, 8)
    for spec in ("blur:0.05", "motion-blur:length=0,angle=33", "defocus:0.1"):
        torch.testing.assert_close(parse(spec)(x), x, rtol=0, atol=1e-12)


def point(side=33):
    x = torch.zeros(1, 1, side, side, dtype=torch.float64)
    x[..., side // 2, side // 2] = 1
    return x, torch.arange(side, dtype=torch.float64) - side // 2


def test_motion_goes_along_its_line():
    """A point becomes a line through it: its extent is the length's, and it rises to the right at 30 degrees."""
    x, place = point()
    y = MotionBlur(length=12.0, angle=30.0)(x)[0, 0]
    across, down = y.sum(0), y.sum(1)
    assert abs((across * place).sum()) < 1e-9
    # the variance of an even line, and 1/6 at most of the bilinear interpolation
    along = 12**2 / 12
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    assert 0 <= (across * place**2).sum() - along * cos**2 < 0.27
    assert 0 <= (down * place**2).sum() - along * sin**2 < 0.27
    covariance = (y * place[:, None] * place).sum()
    assert covariance == pytest.approx(-along * cos * sin, abs=0.01), "rows go down, the line goes up"


def test_defocus_is_an_even_disc():
    x, place = point()
    y = parse("defocus:6.3")(x)[0, 0]
    distance = (place[:, None] ** 2 + place**2).sqrt()
    assert y.sum() == pytest.approx(1)
    assert y[distance > 6.9].abs().max() < 1e-12
    inside = y[distance < 5.7]
    torch.testing.assert_close(inside, torch.full_like(inside, 1 / (np.pi * 6.3**2)), rtol=0.02, atol=0)


def test_kernels_from_files(tmp_path):
    values = np.array([[0, 1, 0.0], [2, 5, 1], [0, 0, 1]])
    np.save(tmp_path / "k.npy", values)
    np.savez(tmp_path / "k.npz", kernel=values)
    Image.fromarray((values * 50).astype(np.uint8)).save(tmp_path / "k.png")
    x = pictures(1, 3, 9, 8)
    expected = np.stack([[ndimage.convolve(c, values / values.sum(), mode="reflect") for c in x[0].numpy()]])
    for spec in (*(f"kernel:{tmp_path / name}" for name in ("k.npy", "k.npz", "k.png")), 'kernel:"0 1 0/2 5 1/0 0 1"'):
        phi = parse(spec).build()
        np.testing.assert_allclose(phi(x).numpy(), expected, rtol=0, atol=1e-12)
        assert parse(phi.spec).spec == phi.spec
        assert ("sha256" in phi.assets.get("file", {})) == ("tmp" in spec or str(tmp_path) in spec)
        again = parse(phi.spec)
        again.load_state_dict(phi.state_dict())
        assert torch.equal(again(x), phi(x))


class Reads:
    """Would be run by a reader that trusts its files."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_bad_kernels_are_refused_in_one_line(tmp_path):
    np.save(tmp_path / "pickled.npy", np.array([Reads(), None]), allow_pickle=True)
    np.save(tmp_path / "line.npy", np.ones(3))
    np.save(tmp_path / "complex.npy", np.ones((3, 3)) * 1j)
    np.save(tmp_path / "nan.npy", np.full((3, 3), np.nan))
    np.save(tmp_path / "zero.npy", np.array([[1.0, -1.0]]))
    np.savez(tmp_path / "two.npz", a=np.ones((2, 2)), b=np.ones((2, 2)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "nan.npy").read_bytes()[:90])
    (tmp_path / "text.txt").write_text("hello")
    expected = {
        "pickled.npy": "pickled",
        "line.npy": "shape (3,)",
        "complex.npy": "real numbers",
        "nan.npy": "finite",
        "zero.npy": "sums to 0",
        "two.npz": "2 arrays (a, b)",
        "cut.npy": "cannot be read",
        "text.txt": "cannot be read",
        "none.npy": "no such file",
    }
    for name, words in expected.items():
        with pytest.raises(SpecError) as refused:
            parse(f"kernel:{tmp_path / name}").build()
        assert words in str(refused.value)
        assert name in str(refused.value)
        assert "\n" not in str(refused.value)
    for text in ('"1 2/3"', '"1 e/3 4"'):
        with pytest.raises(SpecError, match="kernel"):
            parse(f"kernel:{text}")


@pytest.mark.parametrize("spec", ["blur:0", "blur:-1", "blur:65", "motion-blur:-1", "defocus:0", "defocus:nan"])
def test_out_of_range(spec):
    with pytest.raises(SpecError, match="expected a number|is not a number"):
        parse(spec)


def photograph(size=(32, 32)):
    """Smooth shades and an edge, 2 rows."""
    down, across = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in size), indexing="ij")
    x = torch.stack([torch.sin(3 * down + k) * torch.cos(4 * across - k) for k in range(3)]) * 0.7
    x = torch.where((down + across > 0.3) & (across < 0.5), -x, x)
    return torch.stack([x, x.flip(-1)])


@pytest.mark.parametrize(
    "spec",
    ["blur:1.5", "motion-blur:length=7,angle=40", "defocus:2.5", "gray+blur:1", "blur:1+sr:2", "blur:1+mosaic"],
)
def test_merge_sharpens_a_file_and_does_not_blow_up_its_rounding(spec):
    truth, phi = photograph(), parse(spec)
    y = phi.simulate(truth)
    start = (truth + 0.2 * parse("blur:1")(pictures(*truth.shape, seed=3).float())).clamp(-1, 1)
    merged = phi.merge(start, y)
    assert float((phi(merged) - y).square().flatten(1).mean(1).sqrt().max()) <= 2 / 255 / 12**0.5
    before, after = ((z - truth).square().mean().sqrt() for z in (start, merged))
    assert after < 0.9 * before
    assert torch.equal(phi.merge(merged, y), merged), "near enough is left alone"


def test_merge_leaves_the_noise_that_was_stated():
    """Not sharper than the noise allows: the misfit ends at its size."""
    from degradations import GaussianNoise

    truth, phi = photograph(), parse("blur:1")
    phi.noise = GaussianNoise(0.05)
    y = phi.measure(truth, torch.Generator().manual_seed(0))
    merged = phi.merge(torch.zeros_like(truth), y)
    error = (phi(merged) - y).square().flatten(1).mean(1).sqrt()
    assert ((error > 0.045) & (error < 0.0502)).all()


def test_merge_with_the_wrong_blur_does_not_ruin_the_picture():
    """What is out of reach is given up before the picture is thrown about for it."""
    truth = photograph()
    y = parse("blur:1").simulate(truth)
    start = (truth + 0.2 * parse("blur:1")(pictures(*truth.shape, seed=3).float())).clamp(-1, 1)
    phi = parse("blur:1.2")
    merged = phi.merge(start, y)
    assert (phi(merged) - y).norm() < 0.3 * (phi(start) - y).norm()
    assert (merged - truth).norm() < 2 * (start - truth).norm()
