"""Overrides that change nothing of what runs, or less than one may expect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dgp.errors import RecipeError
from dgp.optim.optimizers import TAKES
from dgp.recipes.overrides import Overrides, parse_overrides

if TYPE_CHECKING:
    from dgp.recipes.recipe import Recipe, Stage

RATE = re.compile(r"stages\.(\*|\d+)\.lr")


def refuse_unused(key: str, recipe: Recipe, without: Recipe) -> None:
    """Raise RecipeError for an override that changes the recipe and nothing of what it does.

    Args:
        key: of the override.
        recipe: with all overrides.
        without: with all but that one.
    """
    if recipe == without or _effective_settings(recipe) != _effective_settings(without):
        return
    prefix, _, leaf = key.rpartition(".")
    if RATE.fullmatch(key):
        moved = any(stage.move for stage in matching_stages(key, recipe))
        why = "every variable there states a rate" if moved else "no variable moves there"
        hint = f"{prefix}.move.*.lr" if moved else f"{prefix}.release.lr"
        raise RecipeError(f"--set {key} changes nothing: {why}; use {hint}")
    if leaf in TAKES.values():
        raise RecipeError(
            f"--set {key} changes nothing: the optimizer there takes no {leaf}; set {prefix}.optimizer as well"
        )
    raise RecipeError(f"--set {key} changes nothing of what recipe {recipe.name!r} does; leave it out")


def rate_notes(overrides: Overrides, recipe: Recipe) -> list[str]:
    """Return a note for each rate of a stage that is set where the layers that it releases keep their own."""
    keys = [key for key, _ in parse_overrides(overrides)]
    rates = [
        key for key in keys if RATE.fullmatch(key) and any(stage.release for stage in matching_stages(key, recipe))
    ]
    if not rates or any(".release" in key for key in keys):
        return []
    return [
        f"--set {key} is the rate of the variables; released layers keep theirs: {key.removesuffix('lr')}release.lr"
        for key in rates
    ]


def matching_stages(key: str, recipe: Recipe) -> list[Stage]:
    """Return the stages that ``stages.N.lr`` or ``stages.*.lr`` means."""
    number = RATE.fullmatch(key)[1]
    return list(recipe.stages) if number == "*" else [recipe.stages[int(number)]]


def _effective_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as a table, without the settings that no stage reads."""
    table = recipe.model_dump()
    for stage, said in zip(recipe.stages, table["stages"], strict=True):
        del said["lr"]
        for name, how in said["move"].items():
            how["lr"] = stage.lr_of(name)
        for how in (*said["move"].values(), *filter(None, [said["release"]])):
            for setting in {"betas", "momentum"} - {TAKES[how["optimizer"]]}:
                del how[setting]
    return table
