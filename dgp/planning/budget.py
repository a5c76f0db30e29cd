"""The cost of a recipe in passes through a network (`dgp.rendering.renderer.Evaluations`), and scaling to a budget."""

from __future__ import annotations

from dgp.engine.stage_options import Stage
from dgp.errors import RecipeError
from dgp.losses.objective import list_networks
from dgp.recipes.schema import Recipe


def cost(recipe: Recipe, depth: int | None = None) -> int:
    """Return what one answer to one picture costs at most.

    A pass forward counts 1, forward and backward 3, for the generator and every network of the terms alike. Stages that
    stop before their last step cost less.

    Args:
        recipe: the recipe.
        depth: blocks of the generator, where it is known.
    """
    rows, total = cost_of_searches(recipe)
    for stage in recipe.stages:
        rows = min(rows, stage.rows_kept or rows)
        total += rows * _cost_per_row(stage, recipe, depth)
    return total + (1 + len(list_networks([recipe.accept.term])) if recipe.accept else 0)


def cost_of_searches(recipe: Recipe) -> tuple[int, int]:
    """Return how many rows of each answer the searches of a recipe return, and what they cost together."""
    rows, total = 0, 0
    for search in recipe.searches:
        total += search.cost(rows)
        rows = search.rows_out(rows)
    return rows, total


def _cost_per_row(stage: Stage, recipe: Recipe, depth: int | None) -> int:
    networks = 1 + sum(one.network_cost(depth) for one in recipe.parametrizations.values())
    networks += len(list_networks(stage.terms))
    rescored = stage.keep == "best" and stage.stochastic
    return networks * (3 * stage.steps + 1 + stage.steps * rescored)


def scale(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe with ``factor`` times the steps and candidates, at least one of each."""
    stages = (s.model_copy(update={"steps": max(1, round(s.steps * factor))}) for s in recipe.stages)
    searches = (search.scale(factor) for search in recipe.searches)
    return recipe.model_copy(update={"searches": tuple(searches), "stages": tuple(stages)})


def fit_budget(recipe: Recipe, budget: int, depth: int | None = None) -> Recipe:
    """Return the recipe scaled to cost ``budget``, or a little less.

    Raises:
        RecipeError: the least that it can cost is more.
    """
    low, high = 0.0, 1.0
    if (least := cost(scale(recipe, low), depth)) > budget:
        raise RecipeError(
            f"a budget of {budget} evaluations is less than the {least} that {recipe.name!r} takes at least; raise it"
        )
    while cost(scale(recipe, high), depth) <= budget and high < 2**20:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(scale(recipe, middle), depth) <= budget else (low, middle)
    return scale(recipe, low)
