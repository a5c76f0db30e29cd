"""Messages for overrides that have no effect, or less effect than a user may expect."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dgp.errors import RecipeError
from dgp.optim.optimizers import SETTING_OF
from dgp.recipes.overrides import Overrides, parse_overrides


class Stage(Protocol):
    """A stage of a recipe, as far as the messages depend on it."""

    move: Mapping
    release: Any

    def lr_of(self, name: str) -> float: ...


class Recipe(Protocol):
    """A recipe, as far as the messages depend on it."""

    name: str
    stages: Sequence[Stage]

    def model_dump(self) -> dict[str, Any]: ...


RATE = re.compile(r"stages\.(\*|\d+)\.lr")


def refuse_unused(key: str, recipe: Recipe, without: Recipe) -> None:
    """Raise RecipeError for an override that changes the recipe, but not what it does.

    Args:
        key: key of the override.
        recipe: the recipe with all overrides.
        without: the recipe with all overrides but this one.
    """
    if recipe == without or _effective_settings(recipe) != _effective_settings(without):
        return
    prefix, _, leaf = key.rpartition(".")
    if RATE.fullmatch(key):
        optimised = any(stage.move for stage in matching_stages(key, recipe))
        why = "every variable there has a rate of its own" if optimised else "no variable is optimised there"
        hint = f"{prefix}.move.*.lr" if optimised else f"{prefix}.release.lr"
        raise RecipeError(f"--set {key} changes nothing: {why}; use {hint}")
    if leaf in SETTING_OF.values():
        raise RecipeError(
            f"--set {key} changes nothing: the optimizer there has no {leaf}; set {prefix}.optimizer as well"
        )
    raise RecipeError(f"--set {key} changes nothing: the recipe {recipe.name!r} does not use it; leave it out")


def rate_notes(overrides: Overrides, recipe: Recipe) -> list[str]:
    """Return a note for each override of a stage's rate that does not apply to the layers that the stage releases."""
    keys = [key for key, _ in parse_overrides(overrides)]
    rates = [
        key for key in keys if RATE.fullmatch(key) and any(stage.release for stage in matching_stages(key, recipe))
    ]
    if not rates or any(".release" in key for key in keys):
        return []
    return [
        f"--set {key} changes the rate of the variables only; that of released layers is "
        f"{key.removesuffix('lr')}release.lr"
        for key in rates
    ]


def matching_stages(key: str, recipe: Recipe) -> list[Stage]:
    """Return the stages that ``stages.N.lr`` or ``stages.*.lr`` addresses."""
    number = RATE.fullmatch(key)[1]
    return list(recipe.stages) if number == "*" else [recipe.stages[int(number)]]


def _effective_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as a table, without the settings that its optimizers do not use."""
    table = recipe.model_dump()
    for stage, settings in zip(recipe.stages, table["stages"], strict=True):
        del settings["lr"]
        for name, options in settings["move"].items():
            options["lr"] = stage.lr_of(name)
        for options in (*settings["move"].values(), *filter(None, [settings["release"]])):
            for unused in {"betas", "momentum"} - {SETTING_OF[options["optimizer"]]}:
                del options[unused]
    return table
