"""Test tone operators against Pillow, their gradients, and their inverses."""

import numpy as np
import pytest
import torch
from PIL import Image

from degradations import SizeError, SpecError, parse
from degradations.files.pictures import convert_to_levels, from_picture
from degradations.operators.tint import SEPIA

LUMA = (0.299, 0.587, 0.114)
SPECS = (
    "fade:contrast=0.4,black=0.3",
    "gamma:0.45",
    "gamma:2.2",
    "sepia:0.7",
    "sepia:1",
    "white-balance:red=0.9,green=0.8,blue=0.5",
    "channel:red",
    "channel:lost=green,amount=0.6",
)


def every_level():
    """Grey, and colours at random: 8-bit, 37 x 31."""
    values = np.random.default_rng(0).integers(0, 256, (37, 31, 3), dtype=np.uint8)
    values.reshape(-1, 3)[:256] = np.arange(256)[:, None]
    return Image.fromarray(values)


def matrix(rows):
    return lambda p: p.convert("RGB", [v for row in rows for v in (*row, 0)])


def fade(p):
    grey, white = (Image.new("RGB", p.size, c) for c in ("#808080", "white"))
    return Image.blend(Image.blend(p, grey, 0.6), white, 0.3)


def lost(p):
    _, green, blue = p.split()
    return Image.merge("RGB", [Image.new("L", p.size), green, blue])


ORACLES = {
    SPECS[0]: fade,
    SPECS[1]: lambda p: p.point([round(255 * (v / 255) ** 0.45) for v in range(256)] * 3),
    SPECS[2]: lambda p: p.point([round(255 * (v / 255) ** 2.2) for v in range(256)] * 3),
    SPECS[3]: matrix([[0.3 * (i == j) + 0.7 * SEPIA[i] * LUMA[j] for j in range(3)] for i in range(3)]),
    SPECS[4]: matrix([[SEPIA[i] * w for w in LUMA] for i in range(3)]),
    SPECS[5]: matrix(np.diag([0.9, 0.8, 0.5]).tolist()),
    SPECS[6]: lost,
    SPECS[7]: matrix(np.diag([1, 0.4, 1]).tolist()),
}


@pytest.mark.parametrize("spec", SPECS)
def test_pillow_makes_the_same_to_a_level(spec):
    picture = every_level()
    ours = convert_to_levels(parse(spec).simulate(from_picture(picture)))
    theirs = convert_to_levels(from_picture(ORACLES[spec](picture)))
    assert float((ours - theirs).abs().max()) <= 1
    assert float((ours - theirs).abs().mean()) < 0.6, "no systematic difference"


@pytest.mark.parametrize("spec", SPECS)
def test_merge_undoes_what_can_be_undone(spec):
    phi, x = parse(spec), from_picture(every_level())
    other = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    merged = phi.merge(other, phi(x))
    assert merged.abs().max() <= 1
    torch.testing.assert_close(phi(merged), phi(x), rtol=0, atol=2e-5)
    if spec not in ("sepia:1", "channel:red"):
        torch.testing.assert_close(merged, x, rtol=0, atol=2e-4)
    assert torch.equal(phi.merge(x, phi(x)), x) or (phi.merge(x, phi(x)) - x).abs().max() < 1e-5


def test_what_is_lost_is_left_as_it_was():
    x, other = (torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(i)) * 2 - 1 for i in range(2))
    merged = parse("channel:blue").merge(other, parse("channel:blue")(x))
    assert torch.equal(merged[:, 2], other[:, 2])
    torch.testing.assert_close(merged[:, :2], x[:, :2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_gradients_in_picture_and_parameters(spec):
    phi = parse(spec)
    names = [p.name for p in phi.parameters_spec if p.bindable]
    x = torch.rand(2, 3, 3, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1.8 - 0.9
    values = [torch.tensor([0.55, 0.6], dtype=torch.float64, requires_grad=True) for _ in names]

    def forward(x, *values):
        return phi.bind(dict(zip(names, values, strict=True)))(x)

    assert torch.autograd.gradcheck(forward, (x.requires_grad_(), *values))


@pytest.mark.parametrize("spec", SPECS)
def test_rows_have_parameters_of_their_own(spec):
    phi = parse(spec)
    names = [p.name for p in phi.parameters_spec if p.bindable]
    x = torch.rand(3, 3, 9, 7, generator=torch.Generator().manual_seed(1)) * 2 - 1
    values = {name: torch.tensor([0.3, 0.5, 0.7]) + 0.05 * i for i, name in enumerate(names)}
    bound = phi.bind(values)
    y, other = bound(x), x.flip(0)
    merged = bound.merge(other, y)
    fixed = {p.name: getattr(phi, p.name) for p in phi.parameters_spec if not p.bindable}
    for i in range(3):
        alone = type(phi)(**fixed, **{name: float(v[i]) for name, v in values.items()})
        torch.testing.assert_close(alone(x[i : i + 1]), y[i : i + 1], rtol=0, atol=1e-6)
        torch.testing.assert_close(alone.merge(other[i : i + 1], y[i : i + 1]), merged[i : i + 1], rtol=0, atol=1e-4)


def test_grey_pictures_take_colour():
    x = torch.linspace(-1, 1, 24).view(1, 1, 4, 6)
    for spec in ("sepia", "white-balance:blue=0.5", "channel:red"):
        assert parse(spec)(x).shape == (1, 3, 4, 6)
        torch.testing.assert_close(parse(spec)(x), parse(spec)(x.expand(-1, 3, -1, -1)))
    sepia = parse("gray+sepia")(x.expand(-1, 3, -1, -1))
    brightness = (sepia + 1) / 2
    torch.testing.assert_close(brightness[:, 2], brightness[:, 0] * SEPIA[2])
    with pytest.raises(SizeError, match="got 2 channels"):
        parse("sepia")(x.expand(-1, 2, -1, -1))


def test_gamma_is_straight_where_its_slope_would_be_without_bounds():
    x = torch.tensor([-1.0, -1 + 1 / 255, -1 + 2 / 255, 1.0], dtype=torch.float64).view(1, 1, 2, 2).requires_grad_()
    y = parse("gamma:0.4")(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert bool(slope.isfinite().all()) and slope.max() < 30
    black, darkest, _, white = y.detach().flatten().tolist()
    assert (black, white) == (-1, 1)
    assert darkest == pytest.approx((1 / 255) ** 0.4 - 1)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("gamma", "gamma needs gamma: a number from 0.1 to 10, e.g. gamma:2.2"),
        ("gamma:0", "out of range"),
        ("fade:contrast=2", "contrast=2.0 is out of range"),
        ("channel:purple", "one of red, green, blue"),
        ("channel", "needs lost"),
        ("white-balance:warm=1", "it has red, green, blue"),
        ("sepia:strength=-0.1", "from 0 to 1"),
    ],
)
def test_refusals(spec, says):
    with pytest.raises(SpecError, match=says):
        parse(spec)
