"""Terms against their formulas, constraints against their sets, finishes against what they promise."""

import math

import pytest
import torch

import generators
from dgp.api import observe
from dgp.losses.features import Features
from dgp.losses.latent import NegativeLogLikelihood
from dgp.losses.objective import Objective
from dgp.losses.pixel import L1, Mse
from dgp.losses.prediction import Prediction
from dgp.observation.batch import stack_observations
from dgp.postprocess.lab_luminance import LabLuminance, replace_luminance
from dgp.random_streams import random_stream
from dgp.variables.constraints import Clamp, Sphere
from dgp.variables.rows import Rows


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def scene(toy):
    """Three pictures under three operators, two rows each in mixed order."""
    random = random_stream(0, "scene", 0)
    clean = toy.generator(toy.generator.sample(3, generator=random))
    observations = [
        observe(p, spec, toy, simulate=True) for p, spec in zip(clean, ("gray", "sr:4", "gray"), strict=True)
    ]
    batch = stack_observations(observations, toy.discriminator, (32, 32))
    pictures = torch.tensor([0, 1, 2, 2, 0, 1])
    values = toy.generator.sample(6, generator=random)
    image = toy.generator(values)
    return observations, batch, pictures, values, image


def predict(scene):
    _, batch, pictures, values, image = scene
    return Prediction(batch, image, values, pictures)


@pytest.mark.parametrize(
    ("term", "formula"),
    [
        (Mse(), lambda p, y: (p - y).square().mean()),
        (L1(), lambda p, y: (p - y).abs().mean()),
    ],
)
def test_pixel_terms(scene, term, formula):
    observations, _, pictures, _, image = scene
    got = term(predict(scene))
    for row, picture in enumerate(pictures.tolist()):
        observation = observations[picture]
        expected = formula(observation.degradation(image[row : row + 1]), observation.y)
        assert got[row] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("drop", "last", "chosen"),
    [(0, None, slice(None)), (1, None, slice(1, None)), (0, 2, slice(-2, None)), (1, 9, slice(1, None))],
)
@pytest.mark.parametrize("rectify", [True, False])
def test_feature_term(scene, toy, drop, last, chosen, rectify):
    observations, _, pictures, _, image = scene
    got = Features(drop=drop, last=last, rectify_last=rectify)(predict(scene))
    for row, picture in enumerate(pictures.tolist()):
        operator, y = observations[picture].degradation, observations[picture].y
        lift = lambda t: toy.discriminator.features(operator.lift(t, (32, 32)))  # noqa: B023, E731
        pairs = list(zip(lift(operator(image[row : row + 1])), lift(y), strict=True))
        if rectify:
            pairs[-2] = tuple(t.relu() for t in pairs[-2])
        expected = sum(float((a - b).abs().mean()) for a, b in pairs[chosen])
        assert got[row] == pytest.approx(expected, rel=1e-4)


def test_negative_log_likelihood_differs_from_the_density_by_a_constant(scene):
    got = NegativeLogLikelihood(on="z")(predict(scene))
    z = scene[3]["z"]
    density = torch.distributions.Normal(0, 1).log_prob(z).mean(1)
    assert torch.allclose(got, -density - math.log(2 * math.pi) / 2, atol=1e-6)


def test_the_objective_is_the_weighted_sum_and_skips_what_weighs_nothing(scene):
    result = Objective([Mse(weight=2.0), L1(weight=0.5), Features(weight=0.0)])(predict(scene))
    assert set(result.by_term) == {"mse", "l1"}
    assert torch.allclose(result.total, 2 * result.by_term["mse"] + 0.5 * result.by_term["l1"])


def test_sphere_and_clamp():
    start, value = torch.randn(4, 9), 3 * torch.randn(4, 9)
    assert torch.allclose(Sphere().project(value, start).norm(dim=1), torch.full((4,), 3.0))
    kept = Sphere(radius="start").project(value, start)
    assert torch.allclose(kept.norm(dim=1), start.norm(dim=1))
    assert torch.allclose(torch.cosine_similarity(kept, value), torch.ones(4))
    assert Clamp(limit=1.5).project(value, start).abs().max() <= 1.5
    with pytest.raises(ValueError, match="sqrt-d"):
        Sphere(radius="two")


def test_lab_luminance_keeps_the_observations_lightness(scene):
    from skimage.color import rgb2lab

    observation, image = scene[0][0], scene[4][:1] * 0.3
    grey = observation.degradation.lift(observation.y, (32, 32)) * 0.5
    merged = replace_luminance(image, grey)
    lightness = lambda t: rgb2lab(((t[0] + 1) / 2).permute(1, 2, 0).double().numpy())[..., 0]  # noqa: E731
    assert abs(lightness(merged) - lightness(grey)).mean() < 0.5
    assert LabLuminance()(image, observation).shape == image.shape


def test_luminance_is_exchanged_as_kornia_does_it():
    from kornia.color import lab_to_rgb, rgb_to_lab

    random = torch.Generator().manual_seed(0)
    image, source = (torch.rand(n, 3, 9, 7, generator=random, dtype=torch.float64) * 2 - 1 for n in (3, 1))
    lab = rgb_to_lab((image + 1) / 2)
    lab[:, :1] = rgb_to_lab((source + 1) / 2)[:, :1]
    assert torch.allclose(replace_luminance(image, source), lab_to_rgb(lab, clip=True) * 2 - 1, atol=1e-5)


def test_rows_keep_the_best_of_each_answer():
    owner = torch.tensor([0, 0, 0, 1, 1, 1])
    rows = Rows(owner, torch.zeros(6, dtype=torch.long), {"z": torch.arange(6.0)[:, None]})
    best = rows.best(torch.tensor([3.0, 1.0, 2.0, torch.nan, 5.0, 4.0]), 2)
    assert best.tolist() == [1, 2, 5, 4]
    assert rows.take(best).values["z"][:, 0].tolist() == [1, 2, 5, 4]
