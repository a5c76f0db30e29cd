"""The recipe of a call: by name or file, with the changes that the call asks for."""

from __future__ import annotations

from collections.abc import Sequence

from dgp.planning.stand_in import find_stand_in
from dgp.recipes.load import load_recipe
from dgp.recipes.overrides import parse_overrides
from dgp.recipes.schema import Recipe
from generators import Prior


def load_changed_recipe(name: str, prior: Prior, overrides: Sequence[str], budget: int | None, merge: bool) -> Recipe:
    """Return a recipe by name or file, or its stand-in on the prior, with the changes of a call.

    Args:
        name: a name, or a TOML file.
        prior: the prior that it runs on.
        overrides: changes, "key=value" each (--set).
        budget: the cost of each solution (--budget); None: as the recipe states.
        merge: whether the answer is made to agree with the observation, where the recipe ends so (--merge).

    Raises:
        RecipeError: there is no such recipe, or a change does not fit.
    """
    recipe = load_recipe(find_stand_in(name, prior), parse_overrides(overrides, budget))
    return recipe if merge else recipe.unmerged()
