"""Test old photographs: pixels under the wear are unobserved, and the seed determines the wear."""

import pytest
import torch

from degradations import GaussianNoise, MaskError, SizeError, parse
from degradations.operators.wear import draw_wear

WHOLE = "photo:scratches=0,creases=0,dust=0"


def x(n=2, h=48, w=40):
    return torch.rand(n, 3, h, w, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_wear_covers_what_lies_under_it():
    phi = parse("photo:blur=0.05,seed=4").build(size=(48, 40))
    y, there = phi(x()), phi.missing
    assert 0.01 < there.float().mean() < 0.6
    assert torch.equal(phi.unobserved((48, 40)), there[:, 0]) and torch.equal(phi.uninformative((48, 40)), there[:, 0])
    assert torch.equal(y[there.expand_as(y)], phi.paint.expand_as(y)[there.expand_as(y)])
    assert torch.equal(phi(torch.where(there, -x(), x())), y)
    soft = parse("photo:blur=1.5,seed=4").build(size=(48, 40))
    hidden = soft.unobserved((48, 40))
    assert hidden is None or not (hidden & ~there[:, 0]).any(), "blur shows beside a line what lies under it"


def test_all_follows_from_the_seed():
    built = [parse(text).build(seed=seed, size=(48, 40)) for text, seed in (("photo", 7), ("photo:seed=7", 1))]
    assert built[0].spec == built[1].spec == "photo:seed=7"
    assert torch.equal(built[0](x()), built[1](x())) and torch.equal(built[0](x()), built[0](x()))
    assert built[0].assets == built[1].assets and len(built[0].assets["mask"]["sha256"]) == 64
    assert not torch.equal(parse("photo").build(seed=8, size=(48, 40)).missing, built[0].missing)
    streams = [[torch.Generator().manual_seed(seed) for _ in x()] for seed in (3, 3, 4)]
    first, again, other = (built[0].simulate(x(), generators) for generators in streams)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_grain_is_noise_and_stays_off_the_wear():
    phi = parse("photo:grain=0.1,seed=2").build(size=(48, 40))
    assert isinstance(phi.noise, GaussianNoise)
    grain = phi.measure(x(), torch.Generator().manual_seed(0)) - phi(x())
    assert (grain[phi.missing.expand_as(grain)] == 0).all()
    assert abs(float(grain[~phi.missing.expand_as(grain)].std()) - 0.2) < 0.02


def test_strength_by_strength():
    """Yellow: blue falls behind red; faded: contrast is lost and black is lifted; each alone."""
    plain = "blur=0.05,yellowing=0,fading=0"
    same = parse(f"{WHOLE},{plain}")
    torch.testing.assert_close(same(x()), x())
    yellow = parse(f"{WHOLE},{plain}".replace("yellowing=0", "yellowing=0.5"))(x())
    torch.testing.assert_close(yellow[:, 0], x()[:, 0])
    torch.testing.assert_close(yellow[:, 2] + 1, (x()[:, 2] + 1) / 2)
    faded = parse(f"{WHOLE},{plain}".replace("fading=0", "fading=0.5"))(x())
    assert faded.std() < 0.6 * x().std() and faded.min() > -0.5


def test_each_row_has_its_own_strengths_and_gradients():
    phi = parse("photo:seed=1").build(size=(24, 20))
    values = {
        "blur": torch.tensor([0.5, 1.5], dtype=torch.float64),
        "yellowing": torch.tensor([0.1, 0.6], dtype=torch.float64),
        "fading": torch.tensor([0.2, 0.5], dtype=torch.float64),
    }
    small = x(2, 24, 20).double()
    alone = torch.cat([phi.bind({k: v[i : i + 1] for k, v in values.items()})(small[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(phi.bind(values)(small), alone)
    inputs = tuple(v.requires_grad_() for v in values.values())
    assert torch.autograd.gradcheck(
        lambda *v: phi.bind(dict(zip(values, v, strict=True)))(small[..., :24, :20]).mean((1, 2, 3)), inputs
    )


def test_sizes():
    with pytest.raises(MaskError, match="needs a size"):
        parse("photo").build()
    with pytest.raises(MaskError, match="not drawn yet"):
        parse("photo")(x())
    with pytest.raises(SizeError, match="20x20; this wear is 40x48"):
        parse("photo").build(size=(48, 40))(torch.zeros(1, 3, 20, 20))
    assert parse(WHOLE)(x()).shape == x().shape, "without wear it fits all sizes"


@pytest.mark.parametrize("kind", ["scratches", "creases", "dust", "tears"])
def test_each_kind_of_wear_is_drawn(kind):
    mask, paint = draw_wear((120, 90), 3, **{kind: 4})
    assert 0 < mask.float().mean() < 0.6 and mask.shape == paint.shape == (1, 1, 120, 90)
    assert paint[mask].abs().mean() > 0.5, "paper or dirt"
    assert not torch.equal(draw_wear((120, 90), 4, **{kind: 4})[0], mask)
