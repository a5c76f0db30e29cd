"""Test the parameters of scaled operators: laws, unknown ranges, chains and plugins."""

import pytest
import torch

from degradations import (
    Chain,
    Degradation,
    GaussianNoise,
    Identity,
    Inpaint,
    MaskError,
    Parameter,
    describe,
    names,
    parse,
)
from degradations.scaling import laws
from degradations.scaling.laws import compute_noise_gain

SHRINK_AWAY = ("jpeg:quality=auto", "motion-blur:angle=auto")  # become the identity, which has no unknown parameters
BINDABLE = [
    f"{describe(name).example.partition(':')[0]}:{p.name}=auto"
    for name in names()
    for p in describe(name).parameters
    if p.bindable and name != "channel"
]


@pytest.mark.parametrize("spec", [*BINDABLE, "channel:blue,amount=auto", "blur:sigma=1..2", "affine:right=-3..9"])
def test_unknown_parameters_keep_names_and_positions(spec):
    if spec in SHRINK_AWAY:
        assert parse(spec).scaled(0.05).unknowns() == {}
        return
    operator = parse(spec)
    ((name, full),) = operator.unknowns().items()
    for factor in (0.5, 0.05, 0.004):
        ((kept, small),) = operator.scaled(factor).unknowns().items()
        assert kept == name
        law = operator.parameter(name).law or (laws.length if operator.parameter(name).unit == "px" else laws.constant)
        for position in (0.0, 0.3, 1.0):
            assert small.value(position) == pytest.approx(law(full.value(position), factor), rel=1e-6)
            found = operator.scaled(factor).with_values({name: small.value(position)})
            assert small.position(getattr(found, name)) == pytest.approx(position, abs=1e-6)


@pytest.mark.parametrize(
    "spec", ["blur:sigma=auto", "noise:auto", "poisson:auto", "speckle:auto", "defocus:radius=auto"]
)
def test_spec_of_a_scaled_operator_can_be_read_again(spec):
    small = parse(spec).scaled(0.05)
    assert parse(small.spec).unknowns() == small.unknowns()


@pytest.mark.parametrize(
    ("spec", "factor", "expected"),
    [
        ("blur:2", 0.5, "blur"),
        ("blur:0.5", 0.25, "identity"),
        ("motion-blur:length=8,angle=30", 0.5, "motion-blur:length=4,angle=30"),
        ("motion-blur:length=8", 0.05, "identity"),
        ("defocus:4", 0.5, "defocus"),
        ("defocus:4", 0.05, "identity"),
        ("kernel:'0 1 0'", 0.5, "identity"),
        ("rescale:8-3", 0.25, "rescale:2"),
        ("sr:8", 0.25, "sr:2"),
        ("sr:8", 0.125, "identity"),
        ("sr-pulse:8", 0.25, "sr:2"),
        ("crop:box=8-4-24-20", 0.5, "crop:box=4-2-12-10"),
        ("inpaint:box=8-4-24-20", 0.5, "inpaint:box=4-2-12-10"),
        ("inpaint:box=8-4-9-5", 0.1, "inpaint:box=1-0-2-1"),
        ("inpaint:center=1/3", 0.1, "inpaint:center=1/3"),
        ("affine:right=8,angle=4", 0.5, "affine:angle=4,right=4"),
        ("fade:0.4", 0.1, "fade:contrast=0.4"),
        ("mosaic", 0.5, "identity"),
        ("quantise:2", 0.5, "quantise:2"),
        ("quantise:16", 0.5, "identity"),
        ("scanlines:shade=gray,strength=1", 0.25, "identity"),
        ("noise:0.064", 0.5, "noise:0.02"),
        ("blur:0.5+jpeg:40", 0.1, "identity"),
        ("blur:0.5+gray+jpeg:40", 0.1, "gray"),
        ("sr:4+blur:2", 0.5, "sr:2+blur:sigma=2"),
        ("sr:4+blur:2", 0.125, "blur"),
    ],
)
def test_specs(spec, factor, expected):
    assert parse(spec).scaled(factor).spec == parse(expected).spec


def test_after_a_reduction_to_less_than_the_small_picture_the_rest_shrinks_by_the_remainder():
    """500 -> 125 -> blur 2 px; a picture of 100 px is smaller than 125, by 0.8."""
    operator = parse("sr:4+blur:2+noise:0.1")
    small = operator.scaled(0.2)
    assert [link.name for link in small.links] == ["blur", "noise"]
    assert small.links[0].sigma == pytest.approx(1.6)
    assert small.links[1].sigma == pytest.approx(0.1 * compute_noise_gain(0.8))
    assert operator.scale_of_y(0.2) == pytest.approx(0.8) and operator.scale_of_y(0.5) == 1


def test_names_in_a_chain_stay_when_links_disappear():
    chain = parse("blur:0.5+blur:sigma=auto+noise:auto")
    small = chain.scaled(0.2)
    assert list(small.unknowns()) == list(chain.unknowns()) == ["blur2.sigma", "noise.sigma"]
    assert [link.name for link in small.links] == ["blur", "noise"]
    values = {"blur2.sigma": torch.tensor([0.5, 1.0]), "noise.sigma": torch.tensor([0.01, 0.02])}
    bound = small.bind(values)
    assert bound.bound_values().keys() == values.keys() and bound.unknowns() == {}
    known = small.build(size=(16, 16)).with_values({"blur2.sigma": 0.3})
    assert list(known.unknowns()) == ["noise.sigma"]
    assert list(known.scaled(0.5).unknowns()) == ["noise.sigma"]
    alone = parse("blur:0.5+blur:sigma=auto").scaled(0.2)
    assert isinstance(alone, Chain) and list(alone.unknowns()) == ["blur2.sigma"]
    assert parse("jpeg:40+blur:sigma=auto").scaled(0.2).name == "blur"


def test_bound_operators():
    x = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    bound = parse("blur:sigma=auto+noise:0.1").bind({"blur.sigma": torch.tensor([2.0, 4.0])}).scaled(0.5)
    for row, sigma in enumerate((1, 2)):
        torch.testing.assert_close(bound(x)[row : row + 1], parse(f"blur:{sigma}")(x[row : row + 1]))
    share = parse("salt-pepper:auto").bind({"share": torch.tensor([0.1, 0.3])}).scaled(0.5)
    torch.testing.assert_close(share(x)[1:], 0.7 * x[1:])


def test_masks_shrink_with_the_picture():
    mask = torch.zeros(1, 1, 40, 60, dtype=torch.bool)
    mask[..., 8:24, 20:40] = True
    mask[..., 2, :] = True  # a scratch, of which every small pixel sees the surroundings
    small = Inpaint.of(mask).scaled(0.25)
    expected = torch.zeros(1, 1, 10, 15, dtype=torch.bool)
    expected[..., 2:6, 5:10] = True
    expected[..., [2, 2, 5, 5], [5, 9, 5, 9]] = False  # at its corners more than a fifth is seen
    assert torch.equal(small.missing, expected)
    scratch = torch.zeros(1, 1, 40, 60, dtype=torch.bool)
    scratch[..., 2, :] = True
    assert type(Inpaint.of(scratch).scaled(0.25)) is Identity
    full = torch.ones(1, 1, 40, 40, dtype=torch.bool)
    full[..., 0, 0] = False
    assert float(Inpaint.of(full).scaled(0.25).missing.float().mean()) == pytest.approx(0.99)
    with pytest.raises(MaskError, match="call .build"):
        parse("inpaint:mask=alpha").scaled(0.5)


def test_averages_leave_out_missing_pixels():
    """White stays white beside a hole, behind a tone too, and in the hole the tone of the hole stays."""
    for spec, white, hole in (("inpaint:box=9-9-31-31", 1.0, 0.0), ("inpaint:box=9-9-31-31+fade", 1.0, None)):
        operator = parse(spec)
        y = operator(torch.ones(1, 3, 40, 40))
        shrunk = operator.shrink(y, (10, 10))
        assert float(shrunk[..., 1, 5].min()) == pytest.approx(float(y[..., 0, 0].min()), abs=1e-5), white
        inside = float(y[0, 0, 20, 20])
        assert float(shrunk[0, 0, 5, 5]) == pytest.approx(inside, abs=1e-5) and (hole is None or inside == hole)


def test_a_mosaic_shrinks_to_colours():
    colour = torch.tensor([0.5, -0.2, 0.9])[None, :, None, None].expand(1, 3, 40, 40)
    for spec in ("mosaic", "mosaic+inpaint:pixels=0.2,seed=1"):
        operator = parse(spec).build(size=(40, 40))
        torch.testing.assert_close(operator.shrink(operator(colour), (10, 10)), colour[..., :10, :10])


def test_wear_of_a_photograph_shrinks():
    photo = parse("photo:blur=0.5,creases=4,dust=100,seed=3").build(size=(600, 500))
    small = photo.scaled(0.5)
    assert small.missing.shape[-2:] == (300, 250) and 0 < float(small.missing.float().mean()) < float(
        photo.missing.float().mean()
    )
    assert small(torch.zeros(1, 3, 300, 250)).isfinite().all() and float(small.paint.abs().max()) <= 1
    assert small.yellowing == photo.yellowing and small.blur == pytest.approx(0.25)


class Streaks(Degradation):
    """What an author writes."""

    noise = GaussianNoise(0.2)
    parameters_spec = (
        Parameter("reach", 8.0, (1, 40), unit="px", plausible=(4, 20)),
        Parameter("steps", 8, (1, 40), unit="px", kind="int"),
        Parameter("depth", 0.5, (0, 1)),
        Parameter("dots", 100.0, (1, 10000), law=laws.count),
    )

    def forward(self, x):
        return x


def test_what_authors_get_who_define_nothing():
    small = Streaks().scaled(0.25)
    assert (small.reach, small.steps, small.depth) == (2.0, 2, 0.5)
    assert small.dots == pytest.approx(100 / compute_noise_gain(0.25) ** 2)
    assert small.noise.sigma == pytest.approx(0.2 * compute_noise_gain(0.25))
    assert Streaks(reach=2.0).scaled(0.1).reach == 1.0, "clamped to the bounds"
    assert Streaks.noise.sigma == 0.2 and Streaks.parameters_spec[0].bounds == (1, 40)


def test_ranges_beyond_the_bounds_are_admitted():
    small = Streaks(reach=Streaks.parameters_spec[0].unknown("auto")).scaled(0.1)
    assert small.unknowns()["reach"].low == pytest.approx(0.4)
    assert small.with_values({"reach": 0.4}).reach == 0.4
    assert small.scaled(0.5).unknowns()["reach"].high == pytest.approx(1.0)


class Foreign:
    """A noise model that is no ``NoiseModel``."""

    def sample(self, y, generator=None):
        return y + 0.1

    def nll(self, y_hat, y):
        return (y_hat - y).square().flatten(1).mean(1)


def test_noise_that_does_not_say_how_it_falls_is_kept():
    streaks = Streaks()
    streaks.noise = Foreign()
    assert streaks.scaled(0.5).noise.model is streaks.noise.model
    blur = parse("blur:0.3")
    blur.noise = GaussianNoise(0.1)
    assert type(blur.scaled(0.5)) is Identity and blur.scaled(0.5).noise.sigma == pytest.approx(0.03125)
    assert parse("gray+sr:2").scaled(0.5).noise is None
