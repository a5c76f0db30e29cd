"""The recipe that stands in for another on a prior that lacks what that one requires."""

from __future__ import annotations

from pathlib import Path

from dgp.planning.requirements import list_missing
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe
from generators import Prior


def find_stand_in(recipe: str | Path | Recipe, prior: Prior) -> str | Path | Recipe:
    """Return the recipe to run on a prior: the given one, or by its ``otherwise`` another that the prior can run.

    Args:
        recipe: a name, or a file. A Recipe, which may carry overrides, is returned as it is.
        prior: the prior.
    """
    if isinstance(recipe, Recipe):
        return recipe
    loaded = load_recipe(recipe)
    while loaded.otherwise and list_missing(loaded, prior):
        recipe = loaded.otherwise
        loaded = load_recipe(recipe)
    return recipe


def explain_stand_in(recipe: str | Path | Recipe, prior: Prior) -> str | None:
    """Return a line on the recipe that stands in for the given one on a prior; None where none does."""
    found = find_stand_in(recipe, prior)
    if found == recipe:
        return None
    lacking = " and ".join(list_missing(load_recipe(recipe), prior))
    return f"{recipe} needs {lacking}, which {prior.name} lacks; {found} runs in its place"
