"""Test noise models: samples follow the formulas, data terms are least at the truth, ``within`` stops at the noise."""

import math

import pytest
import torch

from degradations import Blur, Chain, DegradationError, SpecError, parse
from degradations.noise.model import GaussianNoise, NoiseModel

MODELS = ("noise:0.1", "poisson:40", "speckle:0.2", "salt-pepper:0.1", "dropout:0.3")


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def ramp(rows=2, c=3, side=160, low=-0.8, high=0.8):
    return torch.linspace(low, high, rows * c * side * side).view(rows, c, side, side)


def picture(side=48, seed=0):
    """Smooth, of middling brightness."""
    coarse = torch.rand(1, 3, 6, 6, generator=random(seed), dtype=torch.float64) * 1.6 - 0.8
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(-0.9, 0.9)


def rows_mean(values):
    return values.flatten(1).mean(1)


@pytest.mark.parametrize("spec", MODELS)
def test_samples_have_the_mean_square_that_is_stated(spec):
    noise, y = parse(spec).noise, ramp()
    seen = noise.sample(y, random())
    torch.testing.assert_close(rows_mean((seen - y).square()), noise.mean_square(y), rtol=0.03, atol=0)


def test_means_and_variances_are_the_formulas():
    y = torch.full((1, 1, 400, 400), 0.2)  # brightness 0.6
    shot = parse("poisson:40").measure(y, random())
    assert float(shot.mean()) == pytest.approx(0.2, abs=0.004)
    assert float(shot.var()) == pytest.approx(4 * 0.6 / 40, rel=0.02)
    counts = (shot + 1) / 2 * 40
    assert float((counts - counts.round()).abs().max()) < 1e-4
    speckled = parse("speckle:0.2").measure(y, random())
    assert float(speckled.mean()) == pytest.approx(0.2, abs=0.004)
    assert float(speckled.std()) == pytest.approx(2 * 0.2 * 0.6, rel=0.02)
    grain = parse("noise:0.1").measure(y, random())
    assert float(grain.std()) == pytest.approx(0.2, rel=0.02), "a tenth of the range from black to white"
    half = math.log(float(grain.std()) * math.sqrt(2 * math.pi)) + 0.5
    assert float(parse("noise:0.1").noise.nll(y, grain)) == pytest.approx(half, abs=0.01)


@pytest.mark.parametrize(("spec", "values"), [("salt-pepper:0.1", {-1.0, 1.0}), ("dropout:0.1", {-1.0})])
def test_impulses_strike_whole_pixels(spec, values):
    y = ramp(low=-0.5, high=0.5)
    seen = parse(spec).measure(y, random())
    struck = (seen != y).any(1)
    assert torch.equal(struck, (seen != y).all(1))
    assert float(struck.float().mean()) == pytest.approx(0.1, rel=0.05)
    hit = seen.permute(0, 2, 3, 1)[struck]
    assert set(hit.unique().tolist()) == values
    assert all(float((hit == v).float().mean()) == pytest.approx(1 / len(values), rel=0.05) for v in values)


@pytest.mark.parametrize("spec", MODELS)
def test_rows_have_streams_and_strengths_of_their_own(spec):
    phi, y = parse(spec), ramp(3, side=24)
    name = phi.parameters_spec[0].name
    strengths = getattr(phi, name) * torch.tensor([0.5, 1.0, 1.5])
    bound = phi.bind({name: strengths})
    together = bound.measure(y, [random(i) for i in range(3)])
    for i, strength in enumerate(strengths.tolist()):
        alone = type(phi)(**{name: strength})
        one, other = y[i : i + 1], together[i : i + 1]
        torch.testing.assert_close(alone.measure(one, random(i)), other, rtol=0, atol=1e-6)
        for method in ("nll", "distance", "within"):
            mine, rows = (getattr(phi.noise, method) for phi in (alone, bound))
            torch.testing.assert_close(mine(one, other), rows(y, together)[i : i + 1], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(alone.noise.mean_square(one), bound.noise.mean_square(y)[i : i + 1])
    assert torch.equal(phi.measure(y, random(7)), phi.measure(y, random(7)))
    assert not torch.equal(phi.measure(y, random(7)), phi.measure(y, random(8)))


@pytest.mark.parametrize("spec", MODELS)
def test_gradients_of_likelihood_and_data_term(spec):
    phi = parse(spec)
    name = phi.parameters_spec[0].name
    y_hat = picture(4)[..., :3].requires_grad_()
    y = phi.measure(y_hat.detach(), random(3)).clamp(-1, 1)
    strength = torch.full((1,), float(getattr(phi, name)), dtype=torch.float64, requires_grad=True)

    def nll(y_hat, strength):
        return phi.bind({name: strength}).noise.nll(y_hat, y)

    def distance(y_hat):
        return phi.noise.distance(y_hat, y)

    assert torch.autograd.gradcheck(nll, (y_hat, strength))
    assert torch.autograd.gradcheck(distance, (y_hat,))
    judged = phi.bind({name: strength}).noise.distance(y_hat, y).sum()
    assert torch.autograd.grad(judged, strength, allow_unused=True, materialize_grads=True)[0] == 0


@pytest.mark.parametrize("spec", MODELS)
def test_the_likelihood_prefers_the_true_strength(spec):
    phi, y_hat = parse(spec), picture(96)
    name = phi.parameters_spec[0].name
    y = phi.measure(y_hat, random(1))
    factors = torch.tensor([0.6, 0.8, 1.0, 1.25, 1.6], dtype=torch.float64)
    bound = phi.bind({name: getattr(phi, name) * factors})
    nll = bound.noise.nll(y_hat.expand(5, -1, -1, -1), y.expand(5, -1, -1, -1))
    assert int(nll.argmin()) == 2


@pytest.mark.parametrize("spec", MODELS)
def test_the_data_term_is_least_near_the_truth(spec):
    """Among pictures that are brighter or darker, flatter or steeper than the true one, under noise that averages out:
    a squared error divided by the predicted variance would take a brighter one."""
    truth = picture(128)
    noise = parse(spec).noise
    y = noise.sample(truth, random(2)).clamp(-1, 1)
    wrong = [truth + d for d in (-0.1, -0.05, 0.05, 0.1)] + [truth * s for s in (0.85, 1.1)]
    distances = noise.distance(torch.cat([truth, *wrong]), y.expand(7, -1, -1, -1))
    assert int(distances.argmin()) == 0
    assert (distances >= 0).all()


@pytest.mark.parametrize("spec", ["noise:0.05", "poisson:200", "speckle:0.1"])
def test_the_data_term_is_on_the_scale_of_squared_differences(spec):
    noise, truth = parse(spec).noise, picture(128)
    y = noise.sample(truth, random(2)).clamp(-1, 1)
    assert 0.5 < float(noise.distance(truth, y) / (truth - y).square().mean()) < 1.5
    far = -truth
    assert 0.3 < float(noise.distance(far, y) / (far - y).square().mean()) < 5


def test_impulses_hardly_enter_the_data_term():
    truth, noise = picture(96), parse("salt-pepper:0.2").noise
    y = noise.sample(truth, random(4))
    assert (truth - y).square().mean() > 0.1
    assert float(noise.distance(truth, y)) < 1e-3
    white = truth.clone()
    white[..., :48] = 1  # a white half was not made by 2 % of salt
    few = parse("salt-pepper:0.02").noise
    y = few.sample(white, random(4))
    assert float(few.distance(truth, y)) > 0.1 * float(few.distance(-white, y)) > 0.05
    assert float(few.distance(white, y)) < 0.01


@pytest.mark.parametrize("spec", ["noise:0.05", "poisson:100", "speckle:0.1", "salt-pepper:0.1", "dropout:0.3"])
def test_merge_goes_as_far_as_the_noise_and_no_further(spec):
    phi, truth = parse(spec), picture(64)
    y = phi.noise.sample(truth, random(5)).clamp(-1, 1)
    kept = phi.merge(truth, y)
    assert (kept - truth).square().mean() < 0.1 * (y - truth).square().mean(), "the truth hardly moves"
    far = picture(64, seed=9)
    merged = phi.merge(far, y)
    assert (merged - truth).square().mean() < 0.6 * (far - truth).square().mean()
    assert (phi.merge(merged, y) - merged).abs().max() < 1e-5
    if spec == "noise:0.05":
        assert float((merged - y).square().mean().sqrt()) == pytest.approx(2 * 0.05, rel=0.02)


def test_plain_models_and_wrong_strengths():
    y = ramp(side=8)
    assert torch.equal(NoiseModel().distance(y, -y), (2 * y).square().flatten(1).mean(1))
    assert NoiseModel().mean_square(y) is None and torch.equal(NoiseModel().within(y, -y), -y)
    with pytest.raises(SpecError, match="sigma=0 is not positive"):
        GaussianNoise(0)
    for spec, says in (
        ("noise:2", "from 0.00001 to 1"),
        ("poisson", "needs photons"),
        ("salt-pepper:1", "out of range"),
        ("speckle:sigma=0.1,sigma=0.2", "twice"),
        ("noise:grain=1", "no parameter 'grain'"),
    ):
        with pytest.raises(DegradationError, match=says):
            parse(spec)


def test_unknown_strengths_are_parsed_and_given():
    phi = parse("gray+noise:sigma=auto")
    assert phi.spec == "gray+noise:auto"
    (name,) = phi.unknowns()
    bound = phi.bind({name: torch.tensor([0.1, 0.2])})
    y = torch.zeros(2, 1, 200, 200)
    assert rows_mean((bound.noise.sample(y, random())).square()).sqrt().tolist() == pytest.approx([0.2, 0.4], rel=0.02)


class Minimal:
    """Has ``sample`` and ``nll`` only, and is no ``NoiseModel``."""

    def sample(self, y, generator=None):
        return y + 0.1 * torch.randn(y.shape, generator=generator).to(y)

    def nll(self, y_hat, y):
        return rows_mean((y - y_hat).square()) * 50


class MinimalModule(Minimal, torch.nn.Module):
    pass


@pytest.mark.parametrize("model", [Minimal(), MinimalModule()])
@pytest.mark.parametrize("way", ["class", "instance", "property"])
def test_any_object_with_sample_and_nll_is_a_noise_model(model, way):
    class Blurred(Blur):
        noise = {"class": model, "property": property(lambda self: model)}.get(way)

    phi = Blurred(sigma=1.0)
    if way == "instance":
        phi.noise = model
    x = picture().float()
    y = phi.measure(x, random())
    assert isinstance(phi.noise, NoiseModel) and phi.noise.mean_square(y) is None
    assert torch.equal(y, model.sample(phi(x), random())) and torch.equal(phi.noise.within(-y, y), y)
    assert torch.equal(phi.noise.distance(phi(x), y), rows_mean((phi(x) - y).square()))
    assert torch.equal(phi.noise.nll(phi(x), y), model.nll(phi(x), y))
    assert Chain([phi]).noise is phi.noise or way == "property"
    assert phi.merge(x, y).shape == x.shape


def test_methods_of_a_noise_model_of_another_class_are_used():
    class Stated(Minimal):
        def mean_square(self, y_hat):
            return y_hat.new_full((len(y_hat),), 0.01)

    phi = parse("blur:1")
    phi.noise = Stated()
    assert phi.noise.mean_square(ramp(side=8)).tolist() == pytest.approx([0.01, 0.01])
