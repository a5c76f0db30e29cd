"""A recipe mapped onto a prior: refused where it needs what is not there, clipped where the network is smaller."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from dgp.errors import RecipeError
from dgp.losses.terms import Term, named
from dgp.optim.stopping import Stop
from dgp.planning.budget import cost, within
from dgp.recipes.recipe import Accept, Recipe, Stage, load_recipe
from dgp.search.base import Search
from generators import Generator, Prior

# Variables that some network has: a recipe that moves one keeps its sense on a network without it.
KNOWN = re.compile(r"z|class|w\+{0,2}|noise\[\d+\]|feature@\d+|codes|importance|warp|phi\[.+\]")
VARIABLES = ("z", "class", "w", "w+", "w++", "noise[i]", "feature@k", "codes", "warp")
WIDER = ("z", "w", "w+", "w++")  # of which a run has one at a time
SELECTOR = re.compile(r"noise\[(\*|-\d+|-?\d*:-?\d*)\]")


def map_recipe(recipe: Recipe, prior: Prior) -> tuple[Recipe, list[str]]:
    """The recipe as it runs on this prior, and a line for everything that was changed.

    Raises RecipeError: the prior lacks a discriminator, classes or latents that the recipe requires.
    """
    _refuse_unless_served(recipe, prior)
    notes: list[str] = []
    recipe = _clip_charts(_expanded(recipe, prior), prior, notes)
    space = _space(recipe, prior)
    _refuse_charts(recipe, prior)
    info = prior.generator.info
    fixed = {spec.name for spec in info.latents if not spec.optimisable}
    has_norm = type(prior.generator).capture_norm is not Generator.capture_norm
    live, stages = _begun(recipe, prior, space), []
    for number, stage in enumerate(recipe.stages):
        where = f"stage {number}"
        change: dict[str, Any] = {}
        if stage.convert and not _can_convert(stage.convert, live, prior):
            # A recipe that asks for no w is made for networks without one as well.
            if "w" in recipe.requires or stage.convert not in WIDER:
                notes.append(f"{where}: this network has no {stage.convert}, and the latents stay as they are")
            change["convert"] = None
        elif stage.convert:
            live = _converted(live, stage.convert, set(recipe.chart(space).provides(space, info)) - {*WIDER})
        _refuse_strangers(stage, live, where)
        if prior.statistics is None and any(move.jitter for move in stage.move.values()):
            raise RecipeError(f"{where}: jitter is in deviations of w, which the prior {prior.name!r} lacks; drop it")
        terms = [t for t in stage.terms if _sees(t, live, where, notes)]
        change["terms"] = tuple(_fitted(t, recipe, prior, where, notes) for t in terms)
        _refuse_terms(recipe, change["terms"], prior)
        change["stop"] = _kept_stops(stage, change["terms"], where, notes)
        if gone := sorted(stage.move.keys() - (live - fixed)):
            if any(name in fixed for name in gone):
                notes.append(f"{where}: {', '.join(gone)} cannot be optimised on this network and stays as it is")
            elif any(name not in WIDER for name in gone):
                notes.append(f"{where}: {', '.join(gone)} cannot be moved, as this prior lacks it")
            change["move"] = {name: how for name, how in stage.move.items() if name not in gone}
        if stage.norm == "instance" and not has_norm:
            notes.append(f"{where}: this network stores no statistics, so that no instance norm can stand for them")
            change["norm"] = "batch"
        if stage.release:
            change["release"] = _clip_release(stage, prior, where, notes)
        stages.append(stage.model_copy(update=change))
        if not stages[-1].move and not stages[-1].release:
            raise RecipeError(
                f"the recipe {recipe.name!r}: {where} moves nothing that the prior {prior.name!r} has; "
                + _alternative(recipe, prior)
            )
    begun = _begun(recipe, prior, space) - fixed
    searches = tuple(
        _fitted_search(search, recipe, prior, begun, notes).fitted(prior, space, recipe.charts, begun, notes)
        for search in recipe.searches
    )
    change = {"stages": tuple(stages), "searches": searches, "space": (space,)}
    change["accept"] = _fitted_accept(recipe, live, prior, notes)
    mapped = recipe.model_copy(update=change)
    if recipe.budget:
        depth = prior.generator.depth
        whole, mapped = cost(mapped, depth), within(mapped, recipe.budget, depth)
        notes.append(f"steps and candidates are scaled from {whole} to {cost(mapped, depth)} evaluations an answer")
    return mapped, notes


def _space(recipe: Recipe, prior: Prior) -> str:
    found = [name for name in recipe.space if recipe.chart(name).provides(name, prior.generator.info)]
    if not found:
        raise RecipeError(
            f"the recipe {recipe.name!r} begins in {' or '.join(recipe.space)}, which the prior {prior.name!r} lacks; "
            + _alternative(recipe, prior)
        )
    return found[0]


def _begun(recipe: Recipe, prior: Prior, space: str) -> set[str]:
    """Names of the values that the first stage finds."""
    info = prior.generator.info
    sampled = {spec.name for spec in info.latents if spec.sampled}
    live = set(recipe.chart(space).provides(space, info))
    live |= sampled if space in sampled else sampled - {*WIDER, "class"} if space in WIDER else sampled - {"z"}
    for name, chart in recipe.charts.items():
        if chart.accompanies:
            live |= set(chart.provides(name, info))
    return live


def _can_convert(chart: str, live: set[str], prior: Prior) -> bool:
    if not chart.startswith("feature@"):
        return any(spec.name == chart for spec in prior.generator.info.latents) and chart not in live
    entered = max((int(name.removeprefix("feature@")) for name in live if name.startswith("feature@")), default=0)
    return entered <= int(chart.removeprefix("feature@")) <= prior.generator.depth


def _converted(live: set[str], chart: str, codes: set[str]) -> set[str]:
    """codes: what stands for z, and becomes it."""
    live = live - codes | {"z"} if codes & live else live
    if chart.startswith("feature@"):
        return {name for name in live if not name.startswith("feature@")} | {chart}
    return live - {*WIDER, "class"} | {chart}


def _refuse_charts(recipe: Recipe, prior: Prior) -> None:
    """RecipeError for variables that no network has, and for charts that cannot be theirs."""
    for name, chart in recipe.charts.items():
        if not KNOWN.fullmatch(name) and all(spec.name != name for spec in prior.generator.info.latents):
            near = difflib.get_close_matches(name, VARIABLES, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(VARIABLES)}"
            raise RecipeError(f"the recipe {recipe.name!r}: no network has a variable {name!r}; {hint}")
        if any(spec.name == name for spec in prior.generator.info.latents) and not chart.stands_for(name):
            raise RecipeError(f"the recipe {recipe.name!r}: the chart {chart.kind!r} cannot be that of {name!r}")


def _expanded(recipe: Recipe, prior: Prior) -> Recipe:
    """Selectors of noise maps replaced by the names of those that the network has."""
    maps = [spec.name for spec in prior.generator.info.latents if spec.name.startswith("noise[")]

    def over(table: dict[str, Any]) -> dict[str, Any]:
        result = {}
        for name, value in table.items():
            found = SELECTOR.fullmatch(name)
            if not found:
                result[name] = value
            elif ":" in found[1]:
                first, last = (int(edge) if edge else None for edge in found[1].split(":"))
                result |= dict.fromkeys(maps[first:last], value)
            else:
                chosen = maps if found[1] == "*" else maps[int(found[1]) :][:1] if -int(found[1]) <= len(maps) else []
                result |= dict.fromkeys(chosen, value)
        return result

    stages = tuple(stage.model_copy(update={"move": over(stage.move)}) for stage in recipe.stages)
    return recipe.model_copy(update={"variables": over(recipe.variables), "stages": stages})


def _refuse_unless_served(recipe: Recipe, prior: Prior) -> None:
    if missing := _missing(recipe, prior):
        raise RecipeError(
            f"the recipe {recipe.name!r} needs {' and '.join(missing)}, which the prior {prior.name!r} lacks; "
            + _alternative(recipe, prior)
        )


def _alternative(recipe: Recipe, prior: Prior) -> str:
    other = recipe.instead
    while other and _missing(load_recipe(other), prior):
        other = load_recipe(other).instead
    return f"use --recipe {other}" if other else "use another prior (`dgp priors list`)"


def _missing(recipe: Recipe, prior: Prior) -> list[str]:
    """What the recipe requires and the prior lacks."""
    has = {spec.name for spec in prior.generator.info.latents}
    if prior.discriminator is not None:
        has.add("discriminator")
    if prior.generator.info.classes:
        has.add("classes")
    return [need for need in recipe.requires if need not in has]


def _refuse_strangers(stage: Stage, live: set[str], where: str) -> None:
    """RecipeError for a variable that no network has."""
    looked_at = {name: f"the term {term.name}" for term in stage.terms for name in term.variables}
    moved = dict.fromkeys(stage.move, "`move`")
    for name, what in (looked_at | moved).items():
        if name not in live and not KNOWN.fullmatch(name):
            near = difflib.get_close_matches(name, live, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(sorted(live))}"
            raise RecipeError(f"{where}: {what} names the variable {name!r}, which no network has; {hint}")


def _sees(term: Term, live: set[str], where: str, notes: list[str]) -> bool:
    absent = [name for name in term.variables if name not in live]
    if set(absent) - {*WIDER}:
        notes.append(f"{where}: {term.name} is left out, as {' and '.join(absent)} are missing then")
    return not absent


def _kept_stops(stage: Stage, terms: Sequence[Term], where: str, notes: list[str]) -> tuple[Stop, ...]:
    """Those that look at terms which are still there."""
    faults = {stop: stop.fault(named(terms)) for stop in stage.stop}
    notes += [f"{where}: the stop {stop.kind} is left out: {fault}" for stop, fault in faults.items() if fault]
    return tuple(stop for stop, fault in faults.items() if not fault)


def _refuse_terms(recipe: Recipe, terms: Sequence[Term], prior: Prior) -> None:
    for term in terms:
        if term.weight and (why := term.refuse(prior)):
            raise RecipeError(f"the recipe {recipe.name!r}: {why}")


def _fitted_search(search: Search, recipe: Recipe, prior: Prior, live: set[str], notes: list[str]) -> Search:
    if why := search.refuse(prior):
        raise RecipeError(f"the recipe {recipe.name!r}: {why}")
    if not hasattr(search, "terms"):
        return search
    seen = [term for term in search.terms if _sees(term, live, "search", notes)]
    terms = tuple(_fitted(term, recipe, prior, "search", notes) for term in seen)
    _refuse_terms(recipe, terms, prior)
    return search.model_copy(update={"terms": terms})


def _fitted_accept(recipe: Recipe, live: set[str], prior: Prior, notes: list[str]) -> Accept | None:
    """live: the variables of the last stage."""
    if not recipe.accept or not _sees(recipe.accept.term, live, "accept", notes):
        return None
    term = _fitted(recipe.accept.term, recipe, prior, "accept", notes)
    _refuse_terms(recipe, [term], prior)
    return recipe.accept.model_copy(update={"term": term})


def _clip_charts(recipe: Recipe, prior: Prior, notes: list[str]) -> Recipe:
    depth, variables = prior.generator.depth, {}
    for name, variable in recipe.variables.items():
        chart = variable.chart and variable.chart.fitted(depth)
        if chart != variable.chart:
            notes.append(f"{name}: {variable.chart.kind} is clipped to the {depth} blocks that this network has")
        variables[name] = variable.model_copy(update={"chart": chart})
    return recipe.model_copy(update={"variables": variables})


def _fitted(term: Term, recipe: Recipe, prior: Prior, where: str, notes: list[str]) -> Term:
    if recipe.trunk == "discriminator" and hasattr(term, "trunk"):
        term = term.model_copy(update={"trunk": "discriminator"})
    fitted = term.fitted(prior)
    if fitted != term:
        notes.append(f"{where}: {term.name} is clipped to what the prior {prior.name!r} has")
    return fitted


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
    available = sum(group.progressive or (group.head and asked == "whole") for group in groups)
    if not available:
        notes.append(f"{where}: this network has no layer groups to walk over, so that nothing is released")
        return None
    if isinstance(asked, str) or asked <= available:
        return stage.release
    notes.append(f"{where}: {asked} layer groups clipped to the {available} that this network has (the head excluded)")
    return stage.release.model_copy(update={"groups": available})
