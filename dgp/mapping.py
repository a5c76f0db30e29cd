"""A recipe mapped onto a prior: refused where it needs what is not there, clipped where the network is smaller."""

from __future__ import annotations

import difflib
import re
from typing import Any

from dgp.errors import RecipeError
from dgp.losses.terms import Features
from dgp.recipe import Recipe, Stage, load_recipe
from generators import Generator, Prior

# Variables that some network has: a recipe that moves one keeps its sense on a network without it.
KNOWN = re.compile(r"z|class|w\+{0,2}|noise\[\d+\]|feature@\d+")


def map_recipe(recipe: Recipe, prior: Prior) -> tuple[Recipe, list[str]]:
    """The recipe as it runs on this prior, and a line for everything that was changed.

    Raises RecipeError: the prior lacks a discriminator or classes that the recipe requires.
    """
    _refuse_unless_served(recipe, prior)
    notes: list[str] = []
    given = [spec for spec in prior.generator.info.latents if spec.sampled]
    movable = {spec.name for spec in given if spec.optimisable}
    depth = prior.feature_count
    has_norm = type(prior.generator).capture_norm is not Generator.capture_norm
    stages = []
    for number, stage in enumerate(recipe.stages):
        where = f"stage {number}"
        _refuse_strangers(stage, {spec.name for spec in given}, where)
        change: dict[str, Any] = {"terms": tuple(_clip(t, depth, where, notes) for t in stage.terms)}
        if stage.move.keys() - movable:
            missing = sorted(stage.move.keys() - movable)
            notes.append(f"{where}: {', '.join(missing)} cannot be optimised on this network and stays as it is")
            change["move"] = {name: how for name, how in stage.move.items() if name in movable}
        if stage.norm == "instance" and not has_norm:
            notes.append(f"{where}: this network stores no statistics, so that no instance norm can stand for them")
            change["norm"] = "batch"
        if stage.release:
            change["release"] = _clip_release(stage, prior, where, notes)
        stages.append(stage.model_copy(update=change))
    searches = tuple(
        search.model_copy(update={"terms": tuple(_clip(t, depth, "search", notes) for t in search.terms)})
        if hasattr(search, "terms")
        else search
        for search in recipe.searches
    )
    return recipe.model_copy(update={"stages": tuple(stages), "searches": searches}), notes


def _refuse_unless_served(recipe: Recipe, prior: Prior) -> None:
    if missing := _missing(recipe, prior):
        other = recipe.instead
        while other and _missing(load_recipe(other), prior):
            other = load_recipe(other).instead
        hint = f"use --recipe {other}" if other else "use another prior (`dgp priors list`)"
        raise RecipeError(
            f"the recipe {recipe.name!r} needs {' and '.join(missing)}, which the prior {prior.name!r} lacks; {hint}"
        )


def _missing(recipe: Recipe, prior: Prior) -> list[str]:
    """What the recipe requires and the prior lacks; of variables it needs those that are sampled."""
    has = {spec.name for spec in prior.generator.info.latents if spec.sampled}
    if prior.discriminator is not None:
        has.add("discriminator")
    if prior.generator.info.classes:
        has.add("classes")
    return [need for need in recipe.requires if need not in has]


def _refuse_strangers(stage: Stage, given: set[str], where: str) -> None:
    """RecipeError for a variable that no network has, or that a term looks at in vain."""
    looked_at = {term.on: f"the term {term.name}" for term in stage.terms if hasattr(term, "on")}
    moved = {name: "`move`" for name in stage.move if not KNOWN.fullmatch(name)}
    for name, what in (looked_at | moved).items():
        if name not in given:
            near = difflib.get_close_matches(name, given, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(sorted(given))}"
            raise RecipeError(f"{where}: {what} names the variable {name!r}, which this network lacks; {hint}")


def _clip(term, depth: int, where: str, notes: list[str]):
    if not isinstance(term, Features) or term.drop < depth:
        return term
    notes.append(f"{where}: features: {term.drop} of {depth} dropped would leave none; {depth - 1} are dropped")
    return term.model_copy(update={"drop": depth - 1})


def _clip_release(stage: Stage, prior: Prior, where: str, notes: list[str]):
    groups = prior.generator.groups()
    asked = stage.release.groups
    if isinstance(asked, tuple):
        names = [group.name for group in groups]
        unknown = [name for name in asked if name not in names]
        if unknown:
            raise RecipeError(
                f"{where}: no layer group {unknown[0]!r} in this network; expected of: {', '.join(names)}"
            )
        return stage.release
    available = sum(group.progressive for group in groups)
    if not available:
        notes.append(f"{where}: this network has no layer groups to walk over, so that nothing is released")
        return None
    if asked == "all" or asked <= available:
        return stage.release
    notes.append(f"{where}: {asked} layer groups clipped to the {available} that this network has (the head excluded)")
    return stage.release.model_copy(update={"groups": available})
