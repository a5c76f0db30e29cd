"""Test resampling against Pillow, and ``sr-dgp`` against the published code."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from degradations import parse
from degradations.resampling.resample import NAMES, resize

PAIRS = [
    ((32, 32), (8, 8)),
    ((37, 31), (9, 7)),
    ((37, 31), (14, 12)),
    ((64, 33), (1, 5)),
    ((5, 7), (50, 70)),
    ((12, 12), (12, 5)),
]


def pillow(picture, size, name):
    return np.asarray(picture.resize(size[::-1], getattr(Image.Resampling, name.upper())))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_equals_pillow(name, before, after):
    random = np.random.default_rng(0)
    values = random.uniform(-1, 1, before).astype(np.float32)
    ours = resize(torch.from_numpy(values)[None, None], after, name)[0, 0].numpy()
    np.testing.assert_allclose(ours, pillow(Image.fromarray(values), after, name), rtol=0, atol=1e-6)


@pytest.mark.parametrize("contrast", ["shades", "black and white"])
@pytest.mark.parametrize(("factor", "small"), [(3.3, (11, 9)), (2, (18, 15)), (1.25, (29, 24)), (1, (37, 31))])
@pytest.mark.parametrize("name", NAMES)
def test_simulated_files_are_pillows(name, factor, small, contrast):
    """To one level, also where overshoot is clipped between Pillow's passes."""
    levels = np.random.default_rng(1).integers(0, 256, (37, 31, 3)).astype(np.uint8)
    if contrast != "shades":
        levels = np.where(levels > 127, 255, 0).astype(np.uint8)
    phi = parse(f"sr:factor={factor},filter={name}")
    x = torch.from_numpy(levels).permute(2, 0, 1)[None] / 127.5 - 1
    ours = np.asarray(phi.picture(phi.simulate(x))).astype(int)
    theirs = pillow(Image.fromarray(levels), small, name).astype(int)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


def test_sizes_and_default_filter():
    assert parse("sr:4").size((37, 3)) == (9, 1)
    assert parse("sr:2.5").size((10, 11)) == (4, 4)
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(parse("sr:4")(x), parse("sr:factor=4,filter=bicubic")(x))
    assert parse("sr:4").spec == parse("sr:factor=4").spec == "sr:4"


@pytest.mark.parametrize("name", NAMES)
def test_adjoint_is_exact(name):
    phi = parse(f"sr:factor=2.7,filter={name}")
    x, y = torch.randn(2, 3, 37, 31, dtype=torch.float64), torch.randn(2, 3, 13, 11, dtype=torch.float64)
    left, right = (phi(x) * y).sum(), (x * phi.adjoint(y, (37, 31))).sum()
    assert abs(left - right) <= 1e-12 * phi(x).norm() * y.norm()


def test_published_kernel_written_out():
    """The prediction of sr-dgp against a convolution with the 16 x 16 kernel, at a size of no fixture."""
    offset = np.abs(np.arange(1, 17) + 0.5 - 9) / 4
    line = 2 * np.sin(np.pi * offset) * np.sin(np.pi * offset / 2) / (np.pi * offset) ** 2
    kernel = torch.from_numpy(np.outer(line, line) / np.outer(line, line).sum())
    x = torch.rand(2, 3, 48, 32, dtype=torch.float64) * 2 - 1
    padded = F.pad((x + 1) / 2, (6,) * 4, mode="replicate")
    small = F.conv2d(padded, kernel[None, None].expand(3, 1, -1, -1), stride=4, groups=3)
    large = F.interpolate(small, scale_factor=4, mode="bilinear", align_corners=False) * 2 - 1
    torch.testing.assert_close(parse("sr-dgp")(x), large, rtol=0, atol=1e-12)


def fixture(shared, name):
    return {
        k: torch.from_numpy(v)
        for k, v in np.load(shared / "fixtures" / f"biggan_dgp_r64_{name}.npz").items()
        if k.startswith(("io/target", "out/target_degraded", "out/x_init"))
    }


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("SR", "sr-dgp"),
        ("SR_mse", "sr-dgp"),
        ("colorization", "gray:luma=dgp"),
        ("inpainting", "inpaint:center=1/3"),
        ("inpainting256style", "inpaint:center=1/3"),
    ],
)
def test_published_operators(shared, name, spec):
    target, golden, phi = fixture(shared, "weights")["io/target"], fixture(shared, name), parse(spec)
    seen = phi.lift(phi.measure(target), (64, 64))
    # The same 8-bit levels, 8e-3 apart; the last digit of what stands for a level differs between processors.
    torch.testing.assert_close(seen, golden["out/target_degraded"], rtol=0, atol=3e-7)
    predicted = phi.lift(phi(golden["out/x_init"]), (64, 64))
    torch.testing.assert_close(predicted, golden["out/x_init_degraded"], rtol=0, atol=1e-5)


def test_published_targets_of_a_real_picture_are_truncated():
    """0.9 of a level is no level: the published target cuts, a file of ours rounds."""
    x = torch.full((1, 3, 8, 8), (100 + 0.9) / 127.5 - 1)
    assert torch.allclose(parse("sr-dgp").measure(x), torch.tensor(100 / 127.5 - 1), atol=1e-6)
    assert torch.allclose(parse("sr:4").simulate(x), torch.tensor(101 / 127.5 - 1), atol=1e-6)
