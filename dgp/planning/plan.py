"""The recipe that runs: extended by what the observations leave open, then adapted to the prior."""

from __future__ import annotations

from collections.abc import Sequence

from dgp.observation.observation import Observation
from dgp.planning.adapt import adapt_recipe
from dgp.planning.blind_restoration import add_unknowns
from dgp.planning.resolution import explain_sides
from dgp.recipes.schema import Recipe
from generators import Prior


def plan_recipe(recipe: Recipe, prior: Prior, observations: Sequence[Observation]) -> tuple[Recipe, list[str]]:
    """Return the recipe as it runs on these observations and this prior, and a line for everything that was changed.

    Raises:
        RecipeError: the prior lacks what the recipe requires.
    """
    adapted, notes = adapt_recipe(add_unknowns(recipe, observations), prior)
    return adapted, [*notes, *explain_sides(adapted, prior.generator, observations)]
