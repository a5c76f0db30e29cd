"""Terms on variables against their formulas."""

import pytest
import torch
import torch.nn.functional as F

from dgp.losses.cosine import cosine_distance, normalize
from dgp.losses.latent import Geocross, LayerSpread, NoiseRegulariser, autocorrelation, geocross
from dgp.losses.prediction import Prediction
from tests.dgp.term_scene import predict, scene


@pytest.fixture(scope="module")
def rows():
    return scene()


def variables(**values):
    return Prediction(None, None, values, None)


def layers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_angles():
    a, b = layers(2, 5, 7), layers(2, 5, 7, seed=1)
    assert torch.allclose(cosine_distance(a, b, 1), 1 - F.cosine_similarity(a, b, dim=1))
    assert torch.equal(cosine_distance(torch.zeros(1, 3), torch.zeros(1, 3), 1), torch.zeros(1))
    zero = torch.zeros(1, 3, requires_grad=True)
    assert torch.autograd.grad(normalize(zero, 1).sum(), zero)[0].isfinite().all()
    assert torch.autograd.gradcheck(lambda x: cosine_distance(x, b, 1), a.requires_grad_())


# ---- geocross


def test_angles_of_unequal_norms():
    a = layers(2, 4, 9)
    lengths = torch.tensor([0.3, 1.0, 5.0, 2.0])[:, None]
    angles = F.cosine_similarity(a[:, :, None], a[:, None], dim=3).clamp(-1, 1).acos()
    expected = angles.square().mean((1, 2)) * 9 / 8
    true = Geocross(of="value", norms="any")
    assert torch.allclose(true(variables(**{"w+": a * lengths})), expected, rtol=1e-5)
    equal = Geocross(of="value")
    assert torch.allclose(equal(variables(**{"w+": normalize(a, 2)})), expected, rtol=1e-5)
    assert not torch.allclose(equal(variables(**{"w+": a * lengths})), expected, rtol=1e-2)


def test_one_layer_has_no_angle():
    for shape in ((3, 1, 8), (3, 8)):
        value = layers(*shape).requires_grad_()
        got = Geocross(on="w", of="value")(variables(w=value))
        assert torch.equal(got, torch.zeros(3))
        got.sum().backward()


@pytest.mark.parametrize("norms", ["equal", "any"])
def test_gradients_are_finite_where_layers_coincide(norms):
    for value in (layers(1, 1, 6).expand(1, 4, 6).clone(), torch.zeros(1, 4, 6), layers(1, 1, 6) * torch.tensor(
        [1.0, -1.0, 1.0, -1.0])[:, None]):  # fmt: skip
        value.requires_grad_()
        Geocross(of="value", norms=norms)(variables(**{"w+": value})).sum().backward()
        assert value.grad.isfinite().all()


def test_the_spread_of_layers_is_none_where_they_are_equal():
    value = layers(3, 4, 6)
    expected = (value - value.mean(1, keepdim=True)).square().mean((1, 2)) / 2
    term = LayerSpread()
    assert torch.allclose(term(variables(**{"w+": value})), expected) and expected.min() > 0
    assert torch.allclose(term(variables(**{"w+": value + 3})), expected, atol=1e-5), "their mean does not matter"
    assert torch.equal(term(variables(**{"w+": value[:, :1].repeat(1, 4, 1)})), torch.zeros(3))


def test_gradients_by_finite_differences():
    assert torch.autograd.gradcheck(geocross, layers(2, 4, 6).requires_grad_())
    assert torch.autograd.gradcheck(lambda x: geocross(normalize(x, 2)), layers(2, 4, 6).requires_grad_())
    assert torch.autograd.gradcheck(autocorrelation, layers(2, 1, 16, 16).requires_grad_(), fast_mode=True)


def test_what_is_optimised_or_what_the_generator_reads(rows):
    seen = predict(*rows)
    seen.latents = {"w+": seen.values["w+"] + 1}
    inside, outside = Geocross()(seen), Geocross(of="value")(seen)
    assert torch.allclose(inside, geocross(seen.values["w+"] + 1)) and not torch.allclose(inside, outside)
    assert Geocross(on="w+").variables == ("w+",)


# ---- noise


def test_noise_that_is_like_itself_costs_more():
    white = layers(1, 1, 32, 32)
    smooth = F.avg_pool2d(F.pad(white, (1, 1, 1, 1), "circular"), 3, 1)
    smooth = smooth / smooth.std() * white.std()
    of = lambda noise: float(NoiseRegulariser()(variables(**{"noise[0]": noise, "w": noise})))  # noqa: E731
    assert of(smooth) > 10 * of(white)
    both = NoiseRegulariser()(variables(**{"noise[0]": white, "noise[11]": smooth}))
    assert float(both) == pytest.approx(of(smooth) + of(white))


def test_without_noise_maps_it_says_so():
    with pytest.raises(ValueError, match=r"add noise\[\*\]"):
        NoiseRegulariser()(variables(w=torch.zeros(1, 4)))
