"""What a recipe is said to cost is what it spends, and a budget is kept."""

import pytest
import torch

import generators
from dgp.api import observe
from dgp.errors import RecipeError
from dgp.inversion import Inversion
from dgp.planning.adapt import adapt_recipe
from dgp.planning.budget import cost, scale
from dgp.recipes.load import load_recipe, recipe_names

SHORT = ["stages.*.steps=3", "searches.0.count=10"]


@pytest.fixture(scope="module")
def toy():
    return generators.load("toy")


@pytest.fixture(scope="module")
def observation(toy):
    picture = toy.generator(toy.generator.sample(1, generator=torch.Generator().manual_seed(0)))[0]
    return observe(picture, "gray", toy, simulate=True)


@pytest.mark.parametrize("name", ["default", "latent-mse", "all-at-once-mse", "dgp-sr-d", "mganprior"])
def test_what_is_planned_is_spent(toy, observation, name):
    short = SHORT if name != "mganprior" else SHORT[:1]
    inversion = Inversion([observation] * 2, toy, load_recipe(name, short), num_solutions=2)
    for _ in inversion:
        pass
    # What the best keeps of its last look is counted as well, so that the plan is met to the pass.
    assert inversion.evaluations.cost == 4 * cost(inversion.recipe, toy.generator.depth)
    assert inversion.evaluations.of(0) == inversion.evaluations.of(1)


@pytest.mark.parametrize("budget", [700, 2000, 10_000])
def test_a_budget_is_kept_and_nearly_spent(toy, budget):
    mapped, notes = adapt_recipe(load_recipe("default", [f"budget={budget}"]), toy)
    assert budget * 0.8 < cost(mapped) <= budget and any(str(cost(mapped)) in note for note in notes)


def test_a_budget_that_no_step_fits_in_is_refused(toy):
    with pytest.raises(RecipeError, match="a budget of 5 evaluations is less than the [0-9]+ that 'default'"):
        adapt_recipe(load_recipe("default", ["budget=5"]), toy)


def test_scaling_keeps_what_a_recipe_is():
    recipe = load_recipe("dgp-colorization")
    assert scale(recipe, 1.0) == recipe
    half = scale(recipe, 0.5)
    assert [s.steps for s in half.stages] == [100, 100, 150, 200, 150] and half.searches[0].count == 250


@pytest.mark.parametrize("name", [n for n in recipe_names() if getattr(load_recipe(n).searches[0], "count", 0) == 1])
def test_a_start_that_nothing_is_compared_with_stays_alone(name):
    """Its search has no terms, so that more candidates could not be told apart."""
    recipe = load_recipe(name)
    assert scale(recipe, 10).searches[0] == recipe.searches[0]
