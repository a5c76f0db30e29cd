"""What a recipe costs, and a recipe that costs what it may: counted in passes through a network (``Evaluations``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dgp.errors import RecipeError
from dgp.losses.objective import networks, passes

if TYPE_CHECKING:
    from dgp.recipes.recipe import Recipe, Stage


def cost(recipe: Recipe, depth: int | None = None) -> int:
    """What one answer to one picture costs at most: a pass forward counts 1, forward and backward 3, the generator and
    every network of the terms alike. Stages that stop before their last step cost less.

    depth: of the generator, where it is known.
    """
    rows, total = 0, 0
    for search in recipe.searches:
        total += search.cost(rows)
        rows = search.rows_out(rows)
    for stage in recipe.stages:
        rows = min(rows, stage.rows_kept or rows)
        total += rows * _of_a_row(stage, recipe, depth)
    return total + (1 + len(networks([recipe.accept.term])) if recipe.accept else 0)


def _of_a_row(stage: Stage, recipe: Recipe, depth: int | None) -> int:
    again = stage.keep == "best" and stage.stochastic
    return passes(stage.terms, recipe.charts, depth) * (3 * stage.steps + 1 + stage.steps * again)


def scaled(recipe: Recipe, factor: float) -> Recipe:
    """The recipe with ``factor`` times the steps and candidates, at least one of each."""
    stages = (s.model_copy(update={"steps": max(1, round(s.steps * factor))}) for s in recipe.stages)
    searches = (search.scaled(factor) for search in recipe.searches)
    return recipe.model_copy(update={"searches": tuple(searches), "stages": tuple(stages)})


def within(recipe: Recipe, budget: int, depth: int | None = None) -> Recipe:
    """The recipe scaled to cost ``budget``, or a little less. Raises RecipeError where its least costs more."""
    low, high = 0.0, 1.0
    if (least := cost(scaled(recipe, low), depth)) > budget:
        raise RecipeError(
            f"a budget of {budget} evaluations is less than the {least} that {recipe.name!r} takes at least; raise it"
        )
    while cost(scaled(recipe, high), depth) <= budget and high < 2**20:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(scaled(recipe, middle), depth) <= budget else (low, middle)
    return scaled(recipe, low)
