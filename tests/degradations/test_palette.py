"""Test rounding to few levels and colours: real programs in simulations, smooth predictions near them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from degradations import SizeError, SpecError, parse
from degradations.files.pictures import convert_to_levels, from_picture, to_picture

SPECS = ("quantise:4", "quantise:16", "dither:2", "dither:4", "palette:8", "palette:32")


def scene(seed=0, side=32, rows=1):
    """Smooth colours with an edge and some grain, 8-bit levels."""
    random = torch.Generator().manual_seed(seed)
    x = F.interpolate(torch.rand(rows, 3, 5, 5, generator=random) * 2 - 1, size=(side, side), mode="bicubic")
    x = torch.where((torch.arange(side) < side // 3)[None, None, :, None], 0.6 * x.flip(-1) + 0.2, x)
    x = (x + 0.05 * torch.randn(x.shape, generator=random)).clamp(-1, 1)
    return convert_to_levels(x) / 127.5 - 1


def test_levels_are_those_of_a_table():
    x = torch.linspace(-1, 1, 256).view(1, 1, 16, 16)
    for levels in (2, 3, 8, 64, 256):
        table = [round(round(v / 255 * (levels - 1)) * 255 / (levels - 1)) for v in range(256)]
        theirs = from_picture(to_picture(x).point(table))
        assert torch.equal(convert_to_levels(parse(f"quantise:{levels}").simulate(x)), convert_to_levels(theirs))


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_dots_are_pillows(levels):
    """In a palette of all combinations of the levels, Pillow dithers each channel nearly by itself (its table of
    nearest colours is coarse)."""
    x = scene(3, side=64)
    each = [round(255 * k / (levels - 1)) for k in range(levels)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([v for r in each for g in each for b in each for v in (r, g, b)])
    theirs = from_picture(to_picture(x).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))
    ours = parse(f"dither:{levels}").simulate(x)
    assert float((ours != theirs).any(1).float().mean()) < 0.2
    assert float((ours - x).square().mean() / (theirs - x).square().mean()) == pytest.approx(1, abs=0.02)


def test_two_levels_of_grey_are_pillows_black_and_white():
    x = scene(3, side=64)
    grey, dots = parse("gray")(x), parse("gray+dither").simulate(x)
    theirs = from_picture(to_picture(grey).convert("1"))
    assert set(dots.unique().tolist()) == {-1.0, 1.0}
    for shade in (grey, theirs):
        assert float(dots.mean()) == pytest.approx(float(shade.mean()), abs=0.01)
    assert float((dots - grey).square().mean() / (theirs - grey).square().mean()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("colors", [2, 16, 200])
def test_colours_are_pillows(colors):
    x = scene(side=48, rows=2)
    y = parse(f"palette:{colors}").simulate(x)
    for row, seen in zip(x, y, strict=True):
        theirs = to_picture(row).quantize(colors, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
        assert np.array_equal(np.asarray(to_picture(seen)), np.asarray(theirs))
        found = seen.flatten(1).unique(dim=1)
        assert found.shape[1] <= colors
        away = torch.cdist(row.flatten(1).T, found.T).amin(1)
        torch.testing.assert_close((row - seen).flatten(1).norm(dim=0), away, rtol=0, atol=1e-4)


# Mean difference of prediction and truth, in levels of 255, that may not be exceeded: a fifth of a step for the
# staircase, the median cut's own error for palettes.
GRID = {
    "quantise": [(n, 255 / (n - 1) / 5) for n in (2, 4, 8, 16, 32, 64, 256)],
    "palette": [(4, 40), (16, 26), (64, 16), (256, 9)],
}


@pytest.mark.parametrize(("name", "strength", "allowed"), [(n, *pair) for n, grid in GRID.items() for pair in grid])
def test_the_prediction_is_near_the_truth(name, strength, allowed):
    x = scene(side=48, rows=3)
    phi = parse(f"{name}:{strength}")
    assert float((phi(x) - phi.measure(x)).abs().mean()) * 127.5 < allowed
    if name == "quantise" and strength < 256:
        nearer = (phi(x) - phi.measure(x)).abs().mean() / (x - phi.measure(x)).abs().mean()
        assert float(nearer) < 0.7, "nearer than no prediction at all"


@pytest.mark.parametrize("levels", [2, 3, 4, 8, 16])
def test_the_mean_of_the_dots_is_the_picture(levels):
    x = scene(side=64, rows=3)
    y = parse(f"dither:{levels}").measure(x)
    coarse = (F.avg_pool2d(y - x, 8)).abs().mean()
    assert float(coarse) < 0.06 * 2 / (levels - 1)
    assert float((y - x).abs().mean()) > 5 * float(coarse)


@pytest.mark.parametrize("spec", SPECS)
def test_a_step_along_the_gradient_lowers_the_true_error(spec):
    """From pictures that are off by smooth and by rough errors; the true error is what the true program makes of both,
    compared as its noise model does (dots move wherever anything changes)."""
    phi, lower, trials = parse(spec), 0, 50
    for seed in range(trials):
        random = torch.Generator().manual_seed(1000 + seed)
        x = scene(seed)
        y = phi.simulate(x)
        smooth = F.interpolate(torch.randn(1, 3, 4, 4, generator=random), size=(32, 32), mode="bicubic")
        start = (x + 0.3 * smooth + 0.1 * torch.randn(x.shape, generator=random)).clamp(-1, 1).requires_grad_()
        (gradient,) = torch.autograd.grad(phi.noise.distance(phi(start), y).sum(), start)
        with torch.no_grad():
            moved = (start - 0.1 * gradient / gradient.square().mean().sqrt()).clamp(-1, 1)
            before, after = (phi.noise.distance(phi.measure(v), y) for v in (start, moved))
        lower += bool(after < before)
    assert lower >= 0.9 * trials


@pytest.mark.parametrize("spec", SPECS)
def test_merge_moves_no_further_than_rounding_explains(spec):
    phi, x = parse(spec), scene()
    y = phi.simulate(x)
    kept = phi.merge(x, y)
    assert (kept - x).square().mean() < 0.02 * (y - x).square().mean(), "the truth hardly moves"
    off = (x + 0.4 * scene(7)).clamp(-1, 1)
    merged = phi.merge(off, y)
    assert merged.abs().max() <= 1
    assert (merged - x).square().mean() < 0.95 * (off - x).square().mean()
    assert (phi.merge(merged, y) - merged).abs().max() < 1e-5
    if spec.startswith("quantise"):
        torch.testing.assert_close(phi.measure(torch.lerp(merged, y, 1e-3)), phi.measure(y), rtol=0, atol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_rounding_as_noise(spec):
    """What the noise-floor stop and comparisons of likelihoods rely on."""
    phi, x = parse(spec), scene(rows=2)
    y = phi.measure(x)
    torch.testing.assert_close(
        phi.noise.mean_square(phi(x)), (y - phi(x)).square().flatten(1).mean(1), rtol=0.25, atol=0
    )
    wrong = scene(5, rows=2)
    assert (phi.noise.nll(x, y) < phi.noise.nll(wrong, y)).all()
    assert (phi.noise.distance(phi(x), y) < phi.noise.distance(phi(wrong), y)).all()
    drawn = phi.noise.sample(x.clone().requires_grad_())
    torch.testing.assert_close(drawn.detach(), phi.noise.quantize(x), rtol=0, atol=1e-6)
    (slope,) = torch.autograd.grad(drawn.sum(), drawn.grad_fn.next_functions[0][0].variable)
    assert torch.equal(slope, torch.ones_like(slope))


def test_the_staircase_is_exact_at_levels_and_half_way_and_never_falls():
    phi = parse("quantise:5")
    x = torch.linspace(-1, 1, 2049, dtype=torch.float64).view(1, 1, 1, -1).requires_grad_()
    y = phi(x)
    torch.testing.assert_close(y[..., ::256], x[..., ::256], rtol=0, atol=1e-12)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert slope.min() > 0.02 and slope.max() < 3
    part = x.detach()[..., 5:-5:37].clone().requires_grad_()
    assert torch.autograd.gradcheck(phi, (part,))
    assert float(phi(torch.ones(1, 1, 1, 1))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("quantise:1", "from 2 to 256"),
        ("quantise", "needs levels"),
        ("quantise:levels=auto", "an estimate is not possible for levels"),
        ("dither:2.5", "whole number"),
        ("palette:colors=300", "out of range"),
    ],
)
def test_refusals(spec, says):
    with pytest.raises(SpecError, match=says):
        parse(spec)


def test_palettes_are_of_pictures():
    with pytest.raises(SizeError, match="got 2 channels"):
        parse("palette:4").measure(torch.zeros(1, 2, 4, 4))
