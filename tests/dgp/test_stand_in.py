"""The recipe that runs in the place of the default on priors that lack what that one requires."""

import dataclasses

import pytest
import torch
from torch import nn

import generators
from dgp import Inversion, load_recipe, observe
from dgp.errors import RecipeError
from dgp.planning.stand_in import explain_stand_in, find_stand_in


@pytest.fixture(scope="module")
def style():
    return dataclasses.replace(generators.load("stylegan2-cifar10"), discriminator=None)


@pytest.fixture(scope="module")
def wrapped():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3 * 64), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)), nn.Upsample(scale_factor=2))
    return generators.wrap(network, 4)


def test_the_default_of_every_kind_of_prior(style, wrapped):
    assert find_stand_in("default", generators.load("toy")) == "default"
    assert find_stand_in("default", style) == "default-w" and find_stand_in("default", wrapped) == "latent-mse"
    assert explain_stand_in("default", generators.load("toy")) is None
    assert "default needs discriminator" in explain_stand_in("default", style)


def test_what_is_asked_for_by_name_is_refused_instead(style):
    for name in ("typical", "dgp-colorization"):
        assert load_recipe(name).otherwise == "" and find_stand_in(name, style) == name
        with pytest.raises(RecipeError, match="needs discriminator"):
            Inversion(observe(torch.zeros(3, 32, 32), "gray", style, simulate=True), style, name)


def test_a_loaded_recipe_is_not_exchanged(style):
    recipe = load_recipe("default", {"stages.0.steps": 3})
    assert find_stand_in(recipe, style) is recipe


def test_the_default_without_a_discriminator_agrees_with_the_observation(style):
    with torch.no_grad():
        latents = style.generator.sample(1, truncation=0.5, generator=torch.Generator().manual_seed(1))
        picture = style.generator(latents)
    observation = observe(picture[0].clamp(-1, 1), "sr:4", style, simulate=True)
    recipe = load_recipe("default-w", {"stages.*.steps": 2, "stages.0.steps": 12, "stages.1.steps": 6})
    inversion = Inversion(observation, style, recipe)
    steps = [float(step.losses["data"][0]) for step in inversion]
    result = inversion.result()
    assert result.recipe.name == "default-w" and result.fidelity["exact"]
    assert steps[-1] < 0.8 * steps[0], "it is nearer than the mean picture"
