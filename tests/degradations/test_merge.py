"""Test merging (the observation is met exactly and the picture changed little) and reading of stored pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from degradations import Degradation, parse
from degradations.files.pictures import luma


def pictures(*shape, seed=0, scale=1.0):
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(*shape, generator=random) * 2 - 1) * scale


def test_gray_keeps_hue_and_shrinks_chroma_only_where_it_must():
    x, truth = pictures(2, 3, 9, 7), pictures(2, 3, 9, 7, seed=1)
    for spec in ("gray", "gray:luma=dgp"):
        phi = parse(spec)
        y = phi(truth)
        merged = phi.merge(x, y)
        torch.testing.assert_close(phi(merged), y, rtol=0, atol=1e-6)
        before, after = x - luma(x), merged - luma(merged)
        ratio = (after * before).sum(1) / (before * before).sum(1)
        torch.testing.assert_close(after, ratio[:, None] * before, rtol=0, atol=2e-3)
        assert ((ratio > -1e-3) & (ratio < 1 + 1e-3)).all()
        shrunk = ratio < 0.99
        assert shrunk.any()
        assert (merged.abs().amax(1)[shrunk] > 0.999).all(), "shrunk pixels touch the border of the gamut"


def test_inpaint_pastes():
    phi, x, truth = parse("inpaint:center=1/2"), pictures(2, 3, 8, 8), pictures(2, 3, 8, 8, seed=1)
    hole = phi.unobserved((8, 8))[:, None]
    assert torch.equal(phi.merge(x, phi(truth)), torch.where(hole, x, truth))


@pytest.mark.parametrize("spec", ["sr:4", "sr:factor=2.5,filter=lanczos", "sr:2+inpaint:center=1/3"])
def test_back_projection_is_the_nearest_picture(spec):
    """Within the gamut the change has the pseudo-inverse's size: no component in the null space."""
    phi = parse(spec)
    x, truth = pictures(1, 1, 16, 16, scale=0.3).double(), pictures(1, 1, 16, 16, seed=1, scale=0.3).double()
    matrix = torch.autograd.functional.jacobian(lambda v: phi(v.view(1, 1, 16, 16)).flatten(), x.flatten())
    nearest = x.flatten() + torch.linalg.pinv(matrix) @ (phi(truth) - phi(x)).flatten()
    assert nearest.abs().max() < 1
    torch.testing.assert_close(phi.merge(x, phi(truth)).flatten(), nearest, rtol=0, atol=1e-7)


def test_back_projection_at_the_border_of_the_gamut():
    """Where pixels clip, the answer is still the nearest: compared with long alternating (Dykstra)
    projections."""
    phi, size = parse("sr:4"), (16, 16)
    x = pictures(1, 1, *size).double()
    y = phi((pictures(1, 1, *size, seed=1).double() * 4).clamp(-1, 1))
    merged = phi.merge(x, y)
    assert (merged.abs() == 1).sum() > 10
    a, b = phi.matrices(size, x.dtype, x.device)
    back_a, back_b = torch.linalg.pinv(a), torch.linalg.pinv(b)
    z, p = x.clone(), torch.zeros_like(x)
    for _ in range(2000):
        met = z + back_a @ (y - phi(z)) @ back_b.mT
        z = (met + p).clamp(-1, 1)
        p = met + p - z
    torch.testing.assert_close(merged, z, rtol=0, atol=1e-5)


def test_white_saturated_start_can_be_pulled_back():
    phi, truth = parse("sr:4"), pictures(1, 3, 16, 16)
    for start in (torch.ones(1, 3, 16, 16), -torch.ones(1, 3, 16, 16), torch.full((1, 3, 16, 16), 3.0)):
        torch.testing.assert_close(phi(phi.merge(start, phi(truth))), phi(truth), rtol=0, atol=1e-6)


def test_an_observation_out_of_reach_is_met_halfway():
    """No picture has this y: the answer stays a picture, and is no further from y than the start."""
    phi, x = parse("sr:4"), pictures(1, 3, 16, 16)
    y = torch.full((1, 3, 4, 4), 1.7)
    merged = phi.merge(x, y)
    assert merged.abs().max() <= 1
    assert (phi(merged) - 1).abs().max() < 0.05
    far = parse("sr-dgp")
    target = far.measure(x)
    assert (far(far.merge(torch.zeros_like(x), target)) - target).norm() < 0.1 * target.norm()


def test_one_observation_serves_several_solutions():
    truth, x = pictures(1, 3, 16, 16), pictures(3, 3, 16, 16, seed=1)
    for spec in ("identity", "gray", "inpaint:center=1/3", "sr:2", "gray+sr:2"):
        phi = parse(spec)
        merged = phi.merge(x, phi(truth))
        assert merged.shape == x.shape
        torch.testing.assert_close(phi(merged), phi(truth).expand_as(phi(merged)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "I;16", "CMYK"])
def test_grey_photographs_of_every_kind(mode):
    levels = np.random.default_rng(0).integers(0, 2 if mode == "1" else 256, (6, 5)).astype(np.uint8)
    levels = levels * 255 if mode == "1" else levels
    picture = Image.fromarray(levels)
    picture = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else picture.convert(mode)
    y = parse("gray").read(picture)
    assert y.shape == (1, 1, 6, 5)
    assert y.dtype == torch.float32
    np.testing.assert_allclose(y[0, 0].numpy(), levels / 127.5 - 1, atol=1e-6)


def test_colour_files_become_grey_by_the_operators_own_weights():
    picture = Image.new("RGB", (4, 4), (255, 0, 0))
    assert parse("gray").read(picture).mean() == pytest.approx(2 * 0.299 - 1)
    assert parse("gray:luma=dgp+sr:2").read(picture).mean() == pytest.approx(0.2989 - 0.5870 - 0.1140)
    assert parse("sr:2").read(Image.new("L", (4, 4), 255)).shape == (1, 3, 4, 4)
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (parse("identity").read(clear) == 1).all(), "transparent pictures lie on white"


def test_lift_is_what_a_discriminator_sees():
    assert parse("gray").lift(torch.ones(2, 1, 8, 8), (8, 8)).shape == (2, 3, 8, 8)
    y = pictures(2, 1, 4, 4)
    lifted = parse("gray+sr:2").lift(y, (8, 8))
    expected = torch.nn.functional.interpolate(y, size=(8, 8), mode="bilinear", align_corners=False).expand(
        -1, 3, -1, -1
    )
    assert torch.equal(lifted, expected)
    y = pictures(1, 3, 8, 8)
    assert torch.equal(parse("sr-dgp").lift(y, (8, 8)), y)


@pytest.mark.parametrize("spec", ["gray", "sr:1.7", "sr-dgp", "inpaint:center=1/3", "gray+sr:2+inpaint:center=1/2"])
def test_gradients_by_torch(spec):
    phi, x = parse(spec), pictures(2, 3, 6, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(phi, x)
    assert torch.autograd.gradcheck(lambda y: phi.lift(y, (6, 5)), phi(x).detach().requires_grad_())


class Softened(Degradation):
    """A gaussian blur of one pixel, with hardly anything left of the finest detail."""

    linear = smooth = True

    def forward(self, x):
        offsets = torch.arange(-4, 5, dtype=x.dtype)
        kernel = torch.exp(-offsets.square() / 2)
        kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
        for way in (kernel, kernel.mT):
            pad = (4, 4, 0, 0) if way is kernel else (0, 0, 4, 4)
            x = torch.nn.functional.conv2d(torch.nn.functional.pad(x, pad, mode="reflect"), way, groups=x.shape[1])
        return x


def test_the_rounding_of_a_file_is_not_blown_up():
    """What the blur has left of fine detail is below an 8-bit file's rounding: undoing it exactly gives noise."""
    phi = Softened()
    x = torch.nn.functional.interpolate(pictures(1, 3, 8, 8), size=(32, 32), mode="bilinear") * 0.9
    y = phi.simulate(x)
    start = phi.lift(y, (32, 32))
    merged = phi.merge(start, y)
    before, after = (float((z - x).square().mean().sqrt()) for z in (start, merged))
    assert after < 0.6 * before  # and not 4.8 times as much, as where y is met exactly
    assert float((phi(merged) - y).square().mean().sqrt()) <= 2 / 255 / 12**0.5  # within the rounding
    exact = phi.merge(start, phi(x))  # known to the last digit: met as closely as can be
    assert float((phi(exact) - phi(x)).abs().max()) < 1e-4
