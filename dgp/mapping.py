"""A recipe mapped onto a prior: refused where it needs what is not there, clipped where the network is smaller."""

from __future__ import annotations

from typing import Any

from dgp.errors import RecipeError
from dgp.losses.terms import Features
from dgp.recipe import Recipe, Stage
from generators import Generator, Prior


def map_recipe(recipe: Recipe, prior: Prior) -> tuple[Recipe, list[str]]:
    """The recipe as it runs on this prior, and a line for everything that was changed.

    Raises RecipeError: the prior lacks a discriminator or classes that the recipe requires.
    """
    _refuse_unless_served(recipe, prior)
    notes: list[str] = []
    movable = {spec.name for spec in prior.generator.info.latents if spec.optimisable}
    depth = feature_count(prior)
    stages = []
    for number, stage in enumerate(recipe.stages):
        where = f"stage {number}"
        change: dict[str, Any] = {"terms": tuple(_clip(t, depth, where, notes) for t in stage.terms)}
        if stage.move.keys() - movable:
            missing = sorted(stage.move.keys() - movable)
            notes.append(f"{where}: {', '.join(missing)} cannot be optimised on this network and stays as it is")
            change["move"] = {name: how for name, how in stage.move.items() if name in movable}
        if stage.norm == "instance" and type(prior.generator).capture_norm is Generator.capture_norm:
            notes.append(f"{where}: this network has no norms whose statistics could be captured; they stay as stored")
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
    has = {"discriminator": prior.discriminator is not None, "classes": bool(prior.generator.info.classes)}
    missing = [need for need in recipe.requires if not has[need]]
    if missing:
        hint = f"use --recipe {recipe.instead}" if recipe.instead else "use another prior (`dgp priors list`)"
        raise RecipeError(
            f"the recipe {recipe.name!r} needs {' and '.join(missing)}, which the prior {prior.name!r} lacks; {hint}"
        )


def feature_count(prior: Prior) -> int:
    """How many features the discriminator gives (maps and the pooled vector); 0 without one."""
    return prior.discriminator.feature_count if prior.discriminator is not None else 0


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
    if asked == "all" or asked <= available:
        return stage.release
    notes.append(f"{where}: {asked} layer groups clipped to the {available} that this network has (the head excluded)")
    return stage.release.model_copy(update={"groups": available})
