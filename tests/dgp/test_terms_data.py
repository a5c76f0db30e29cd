"""The data term: what the degradation's noise makes of the difference, a squared one where none is stated; and the stop
that goes with it in the default recipe."""

import dataclasses

import pytest
import torch

import dgp
import generators
from degradations import NoiseModel, parse
from dgp.api import observe
from dgp.inversion import Inversion
from dgp.losses.features import Features
from dgp.losses.noise_likelihood import NoiseLikelihood
from dgp.losses.pixel import Mse
from dgp.losses.prediction import Prediction
from dgp.observation.batch import stack_observations
from dgp.random_streams import random_stream
from dgp.recipes.load import load_recipe

SPECS = ("gray", "poisson:30", "sr:2+salt-pepper:0.1", "inpaint:center=1/3+noise:0.1")


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def pictures(toy):
    drawn = toy.generator.sample(4, classes=torch.tensor([0, 1, 2, 0]), generator=random_stream(0, "four pictures", 0))
    return toy.generator(drawn).detach()


def seen(toy, picture, spec, **others):
    return observe(picture, parse(spec), toy, simulate=True, seed=5, **others)


def predict(toy, pictures, observations, rows):
    return Prediction(stack_observations(observations, None, (32, 32)), pictures, {}, rows)


def test_each_observation_has_its_own_noise(toy, pictures):
    observations = [seen(toy, p, spec) for p, spec in zip(pictures, SPECS, strict=True)]
    rows = torch.tensor([3, 0, 1, 2, 0])
    images = pictures.flip(0)[[0, 1, 2, 3, 0]]
    values = NoiseLikelihood()(predict(toy, images, observations, rows))
    for value, image, number in zip(values, images, rows.tolist(), strict=True):
        one = observations[number]
        y_hat = one.degradation(image[None])
        model = one.degradation.noise or NoiseModel()
        torch.testing.assert_close(value, model.distance(y_hat, one.y)[0])
    squares = Mse()(predict(toy, images, observations, rows))
    assert torch.equal(values[[1, 4]], squares[[1, 4]]), "bit by bit where no noise is stated"
    assert (values[2:4] != squares[2:4]).all()


@pytest.mark.parametrize("spec", SPECS)
def test_weights_enter(toy, pictures, spec):
    """Of weights that are 1, nothing; of those that leave out half of y, only the other half counts."""
    plain = seen(toy, pictures[0], spec)
    y_hat = plain.degradation(pictures[1:2])

    def value(weight):
        weighted = dataclasses.replace(plain, weight=weight)
        return NoiseLikelihood()(predict(toy, pictures[1:2], [weighted], torch.zeros(1, dtype=torch.long)))

    even = torch.ones(1, 1, *plain.y.shape[-2:])
    whole = NoiseLikelihood()(predict(toy, pictures[1:2], [plain], torch.zeros(1, dtype=torch.long)))
    torch.testing.assert_close(value(even), whole)
    left = even.clone()
    left[..., plain.y.shape[-1] // 2 :] = 0
    model = plain.degradation.noise or NoiseModel()
    half = model.differences(y_hat, plain.y)[..., : plain.y.shape[-1] // 2].mean()
    torch.testing.assert_close(value(left)[0], half)


class Spoken:
    """A noise of somebody else's, with what the contract asks for."""

    def sample(self, y, generator=None):
        return y

    def nll(self, y_hat, y):
        return (y_hat - y).abs().flatten(1).mean(1)


def test_a_noise_that_says_no_more_is_compared_by_squares(toy, pictures):
    phi = parse("gray")
    phi.noise = Spoken()
    observation = observe(pictures[0], phi, toy, simulate=True)
    scene = predict(toy, pictures[1:2], [observation], torch.zeros(1, dtype=torch.long))
    assert torch.equal(NoiseLikelihood()(scene), Mse()(scene))


def test_a_discriminator_may_look_away_from_noise(toy, pictures):
    observations = [seen(toy, p, spec) for p, spec in zip(pictures, SPECS, strict=True)]
    scene = Prediction(
        stack_observations(observations, toy.discriminator, (32, 32)), pictures.flip(0), {}, torch.arange(4)
    )
    whole, away, half = (Features(drop=1, noisy=factor)(scene) for factor in (1, 0, 0.5))
    assert torch.equal(whole, Features(drop=1)(scene)) and (whole > 0).all()
    assert torch.equal(away, whole * torch.tensor([1.0, 0, 0, 0])), "the first states no noise"
    assert torch.equal(half, whole * torch.tensor([1.0, 0.5, 0.5, 0.5]))
    lone = Prediction(
        stack_observations(observations[1:], toy.discriminator, (32, 32)), pictures[1:], {}, torch.arange(3)
    )
    assert torch.equal(Features(noisy=0)(lone), torch.zeros(3))


def test_released_layers_of_the_default_look_away(toy):
    for name in ("default", "default-bank", "aligned"):
        for stage in load_recipe(name).stages:
            features = next(term for term in stage.terms if term.kind == "features")
            assert (features.noisy == 0) == (stage.release is not None)


def default(toy, observation, *settings):
    few = ["stages.*.steps=2", "searches.0.count=3", "searches.0.elite=3", "stages.1.rows_kept=2"]
    return Inversion(observation, toy, load_recipe("default", [*few, *settings]), seed=3)


def as_before():
    """Settings that bring back what the default was before it looked at noise."""
    terms = '[{kind="features", drop=1}, {kind="mse", weight=4}, {kind="nll", on="z", weight=0.02}]'
    return ["stages.*.stop=[]", f"stages.*.terms={terms}", 'searches.0.terms=[{kind="features", last=3}, {kind="mse"}]']


def test_without_stated_noise_the_default_is_what_it_was(toy, pictures):
    observation = seen(toy, pictures[0], "gray+sr:2")
    ours, before = default(toy, observation), default(toy, observation, *as_before())
    assert torch.equal(ours.result().prior_tensor, before.result().prior_tensor)
    assert torch.equal(ours.rows.values["z"], before.rows.values["z"])


def test_the_default_stops_at_the_noise(toy, pictures):
    """A prior that draws exactly such pictures, and noise that leaves little to see: soon all is explained."""
    observation = seen(toy, pictures[0], "noise:0.5")
    run = default(toy, observation, "stages.*.steps=12")
    stopped = 0
    for step in run:
        residual = (step.image - observation.y).square().flatten(1).mean(1)
        assert torch.equal(step.stopped[step.live], (residual <= 1.0)[step.live])
        stopped += int(step.stopped.sum())
    assert stopped > 0


def test_what_a_candidate_would_measure_is_drawn_from_streams_of_its_own():
    """Not from the program's: equal runs give equal answers."""
    toy = generators.load("toy")
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    recipe = load_recipe("dgp-colorization", ("searches.0.count=6", "stages.*.steps=1"))
    answers = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        answers.append(dgp.restore(picture, "gray+noise:0.2", toy, recipe=recipe, simulate=True).tensor)
    assert torch.equal(*answers)
