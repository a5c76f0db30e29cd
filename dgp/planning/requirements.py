"""Requirements of a recipe on a prior, and the errors that name missing ones."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence, Set

from dgp.engine.stage_options import Stage
from dgp.errors import RecipeError
from dgp.losses.terms import Term
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe
from generators import Prior

# Variables that some network has. A recipe that moves one of them is valid on a network without it.
KNOWN = re.compile(r"z|class|w\+{0,2}|noise\[\d+\]|feature@\d+|codes|importance|warp|phi\[.+\]")
VARIABLES = ("z", "class", "w", "w+", "w++", "noise[i]", "feature@k", "codes", "warp")


def refuse_unmet(recipe: Recipe, prior: Prior) -> None:
    """Raise RecipeError where the prior lacks what the recipe ``requires``."""
    if missing := list_missing(recipe, prior):
        raise RecipeError(
            f"the recipe {recipe.name!r} needs {' and '.join(missing)}, which the prior {prior.name!r} lacks; "
            + suggest_alternative(recipe, prior)
        )


def list_missing(recipe: Recipe, prior: Prior) -> list[str]:
    """Return what the recipe requires and the prior lacks."""
    has = {spec.name for spec in prior.generator.info.latents}
    if prior.discriminator is not None:
        has.add("discriminator")
    if prior.generator.info.classes:
        has.add("classes")
    return [need for need in recipe.requires if need not in has]


def suggest_alternative(recipe: Recipe, prior: Prior) -> str:
    """Return advice: the nearest recipe, by ``instead``, that the prior can run, or another prior."""
    other = recipe.instead
    while other and list_missing(load_recipe(other), prior):
        other = load_recipe(other).instead
    return f"use --recipe {other}" if other else "use another prior (`dgp priors list`)"


def refuse_parametrizations(recipe: Recipe, prior: Prior) -> None:
    """Raise RecipeError for variables that no network has, and for parametrizations that do not suit their variable."""
    latents = {spec.name for spec in prior.generator.info.latents}
    for name, parametrization in recipe.parametrizations.items():
        if not KNOWN.fullmatch(name) and name not in latents:
            hint = _suggest(name, VARIABLES)
            raise RecipeError(f"the recipe {recipe.name!r}: no network has a variable {name!r}; {hint}")
        if name in latents and not parametrization.suits(name):
            raise RecipeError(
                f"the recipe {recipe.name!r}: the chart {parametrization.kind!r} cannot be that of {name!r}"
            )


def refuse_unknown_variables(stage: Stage, live: Set[str], where: str) -> None:
    """Raise RecipeError for a variable of a stage that no network has.

    Args:
        stage: options of the stage.
        live: names of the variables that exist then.
        where: names the stage in the message.
    """
    read = {name: f"the term {term.name}" for term in stage.terms for name in term.variables}
    moved = dict.fromkeys(stage.move, "`move`")
    for name, what in (read | moved).items():
        if name not in live and not KNOWN.fullmatch(name):
            hint = _suggest(name, sorted(live))
            raise RecipeError(f"{where}: {what} names the variable {name!r}, which no network has; {hint}")


def refuse_terms(recipe: Recipe, terms: Sequence[Term], prior: Prior) -> None:
    """Raise RecipeError for a term that cannot be computed with this prior, or on this machine."""
    for term in terms:
        if term.weight and (obstacle := term.find_obstacle(prior)):
            raise RecipeError(f"the recipe {recipe.name!r}: {obstacle}")


def _suggest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(names)}"
