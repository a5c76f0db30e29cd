"""A recipe adapted to a prior: refused where it needs what the prior lacks, clipped where the network is smaller."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from dgp.engine.stage_options import Release, Stage
from dgp.errors import RecipeError
from dgp.losses.terms import Term, list_references, name_terms
from dgp.optim.stopping import StoppingRule
from dgp.planning.budget import cost, fit_budget
from dgp.planning.requirements import (
    refuse_parametrizations,
    refuse_terms,
    refuse_unknown_variables,
    refuse_unmet,
    suggest_alternative,
)
from dgp.planning.resolution import clip_resolution
from dgp.recipes.schema import Accept, Recipe
from dgp.search.base import ScoringSearch, Search, SearchSpace
from dgp.variables.parametrizations import LATENT_SPACES
from generators import Generator, Prior

SELECTOR = re.compile(r"noise\[(\*|-\d+|-?\d*:-?\d*)\]")


def adapt_recipe(recipe: Recipe, prior: Prior) -> tuple[Recipe, list[str]]:
    """Return the recipe as it runs on this prior, and a line for everything that was changed.

    Raises:
        RecipeError: the prior lacks a discriminator, classes or latents that the recipe requires.
    """
    refuse_unmet(recipe, prior)
    adaptation = _Adaptation(recipe, prior)
    recipe = adaptation.recipe = adaptation.adapt_parametrizations(_expand_selectors(recipe, prior))
    space = _choose_space(recipe, prior)
    refuse_parametrizations(recipe, prior)
    fixed = {spec.name for spec in prior.generator.info.latents if not spec.optimisable}
    started = _starting_variables(recipe, prior, space)
    live, stages = started, []
    for number, stage in enumerate(recipe.stages):
        stage, live = adaptation.convert(stage, live, space, f"stage {number}")
        stages.append(adaptation.adapt_stage(stage, live, fixed, f"stage {number}"))
    setting = SearchSpace(space, recipe.parametrizations, started - fixed)
    searches = tuple(adaptation.adapt_search(search, setting) for search in recipe.searches)
    change = {"stages": tuple(stages), "searches": searches, "space": (space,)}
    change["accept"] = adaptation.adapt_accept(recipe.accept, live)
    adapted = recipe.model_copy(update=change)
    if recipe.budget:
        depth = prior.generator.depth
        whole, adapted = cost(adapted, depth), fit_budget(adapted, recipe.budget, depth)
        adaptation.notes.append(
            f"steps and candidates are scaled from {whole} to {cost(adapted, depth)} evaluations an answer"
        )
    return adapted, adaptation.notes


@dataclass
class _Adaptation:
    """Adapts the parts of a recipe to a prior; ``notes`` gains a line for each change."""

    recipe: Recipe
    prior: Prior
    notes: list[str] = field(default_factory=list)

    def adapt_parametrizations(self, recipe: Recipe) -> Recipe:
        depth, variables = self.prior.generator.depth, {}
        for name, variable in recipe.variables.items():
            chart = variable.chart and variable.chart.adapt(depth)
            if chart != variable.chart:
                self.notes.append(
                    f"{name}: {variable.chart.kind} is clipped to the {depth} blocks that this network has"
                )
            variables[name] = variable.model_copy(update={"chart": chart})
        return recipe.model_copy(update={"variables": variables})

    def convert(self, stage: Stage, live: Set[str], space: str, where: str) -> tuple[Stage, Set[str]]:
        """Return the stage and the names of the variables after its conversion of latents, if it can convert them."""
        if not stage.convert:
            return stage, live
        if not _can_convert(stage.convert, live, self.prior):
            # A recipe that does not require w is made for networks without one as well.
            if "w" in self.recipe.requires or stage.convert not in LATENT_SPACES:
                self.notes.append(f"{where}: this network has no {stage.convert}, and the latents stay as they are")
            return stage.model_copy(update={"convert": None}), live
        provided = self.recipe.parametrization(space).provides(space, self.prior.generator.info)
        return stage, _convert_names(live, stage.convert, set(provided) - {*LATENT_SPACES})

    def adapt_stage(self, stage: Stage, live: Set[str], fixed: Set[str], where: str) -> Stage:
        """Return the stage with the terms, stopping rules, variables and layers that this prior has.

        Args:
            stage: options of the stage, its conversion adapted.
            live: names of the variables in this stage.
            fixed: names of latents that cannot be optimised.
            where: names the stage in messages.
        """
        refuse_unknown_variables(stage, live, where)
        if self.prior.statistics is None and any(move.jitter for move in stage.move.values()):
            raise RecipeError(
                f"{where}: jitter is in deviations of w, which the prior {self.prior.name!r} lacks; drop it"
            )
        terms = [term for term in stage.terms if self._has_variables(term, live, where)]
        change: dict[str, Any] = {"terms": tuple(self._adapt_term(term, where) for term in terms)}
        refuse_terms(self.recipe, change["terms"], self.prior)
        rules = _rename_terms(stage.stop, terms, change["terms"])
        change["stop"] = self._keep_rules(rules, change["terms"], where)
        if gone := sorted(stage.move.keys() - (live - fixed)):
            if any(name in fixed for name in gone):
                self.notes.append(f"{where}: {', '.join(gone)} cannot be optimised on this network and stays as it is")
            elif any(name not in LATENT_SPACES for name in gone):
                self.notes.append(f"{where}: {', '.join(gone)} cannot be moved, as this prior lacks it")
            change["move"] = {name: move for name, move in stage.move.items() if name not in gone}
        if stage.norm == "instance" and type(self.prior.generator).capture_norm is Generator.capture_norm:
            self.notes.append(
                f"{where}: this network stores no statistics, so that no instance norm can stand for them"
            )
            change["norm"] = "batch"
        change["resolution"] = clip_resolution(
            stage.resolution, change["terms"], self.prior.generator, where, self.notes
        )
        if stage.release:
            change["release"] = self._clip_release(stage.release, where)
        stage = stage.model_copy(update=change)
        if not stage.move and not stage.release:
            raise RecipeError(
                f"the recipe {self.recipe.name!r}: {where} moves nothing that the prior {self.prior.name!r} has; "
                + suggest_alternative(self.recipe, self.prior)
            )
        return stage

    def adapt_search(self, search: Search, setting: SearchSpace) -> Search:
        if obstacle := search.find_obstacle(self.prior):
            raise RecipeError(f"the recipe {self.recipe.name!r}: {obstacle}")
        seen = [term for term in search.scored_terms if self._has_variables(term, setting.live, "search")]
        terms = tuple(self._adapt_term(term, "search") for term in seen)
        refuse_terms(self.recipe, terms, self.prior)
        if isinstance(search, ScoringSearch):
            side = clip_resolution(search.resolution, terms, self.prior.generator, "search", self.notes)
            search = search.model_copy(update={"resolution": side})
        return search.with_terms(terms).adapt(self.prior, setting, self.notes)

    def adapt_accept(self, accept: Accept | None, live: Set[str]) -> Accept | None:
        """Return the threshold for an answer; None where the last stage lacks a variable of its term."""
        if not accept or not self._has_variables(accept.term, live, "accept"):
            return None
        term = self._adapt_term(accept.term, "accept")
        refuse_terms(self.recipe, [term], self.prior)
        return accept.model_copy(update={"term": term})

    def _has_variables(self, term: Term, live: Set[str], where: str) -> bool:
        absent = [name for name in term.variables if name not in live]
        if set(absent) - {*LATENT_SPACES, "class"}:
            self.notes.append(f"{where}: {term.name} is left out, as {' and '.join(absent)} are missing then")
        return not absent

    def _adapt_term(self, term: Term, where: str) -> Term:
        if not term.weight:
            return term.adapt(self.prior)
        asked = None if self.recipe.trunk == "stated" else self.recipe.trunk
        term, change = term.choose_trunk(self.prior, asked)
        if change:
            self.notes.append(f"{where}: {change}")
        adapted = term.adapt(self.prior)
        if adapted != term:
            self.notes.append(f"{where}: {term.name} is clipped to what the prior {self.prior.name!r} has")
        return adapted

    def _keep_rules(
        self, rules: Sequence[StoppingRule], terms: tuple[Term, ...], where: str
    ) -> tuple[StoppingRule, ...]:
        """Return the stopping rules whose terms are still there."""
        faults = {rule: rule.find_fault(name_terms(terms)) for rule in rules}
        self.notes += [f"{where}: the stop {rule.kind} is left out: {fault}" for rule, fault in faults.items() if fault]
        return tuple(rule for rule, fault in faults.items() if not fault)

    def _clip_release(self, release: Release, where: str) -> Release | None:
        groups, asked = self.prior.generator.groups(), release.groups
        if isinstance(asked, tuple):
            names = [group.name for group in groups]
            unknown = [name for name in asked if name not in names]
            if unknown:
                raise RecipeError(
                    f"{where}: no layer group {unknown[0]!r} in this network; expected of: {', '.join(names)}"
                )
            return release
        available = sum(group.progressive or (group.head and asked == "whole") for group in groups)
        if not available:
            self.notes.append(f"{where}: this network has no layer groups to walk over, so that nothing is released")
            return None
        if isinstance(asked, str) or asked <= available:
            return release
        self.notes.append(
            f"{where}: {asked} layer groups clipped to the {available} that this network has (the head excluded)"
        )
        return release.model_copy(update={"groups": available})


def _rename_terms(rules: Sequence[StoppingRule], before: Sequence[Term], after: Sequence[Term]) -> list[StoppingRule]:
    """Return stopping rules that named the terms ``before``, for the same terms as they run (``after``)."""
    renamed = dict(zip(name_terms(before), name_terms(after), strict=True))
    names = {reference: renamed[name] for reference, name in list_references(before).items()}
    return [rule.rename_terms(names) for rule in rules]


def _choose_space(recipe: Recipe, prior: Prior) -> str:
    found = [name for name in recipe.space if recipe.parametrization(name).provides(name, prior.generator.info)]
    if not found:
        raise RecipeError(
            f"the recipe {recipe.name!r} begins in {' or '.join(recipe.space)}, which the prior {prior.name!r} lacks; "
            + suggest_alternative(recipe, prior)
        )
    return found[0]


def _starting_variables(recipe: Recipe, prior: Prior, space: str) -> set[str]:
    """Return the names of the values that rows have before the first stage."""
    info = prior.generator.info
    sampled = {spec.name for spec in info.latents if spec.sampled}
    live = set(recipe.parametrization(space).provides(space, info))
    if space in sampled:
        live |= sampled
    else:
        live |= sampled - {*LATENT_SPACES, "class"} if space in LATENT_SPACES else sampled - {"z"}
    for name, parametrization in recipe.parametrizations.items():
        if parametrization.auxiliary:
            live |= set(parametrization.provides(name, info))
    return live


def _can_convert(space: str, live: Set[str], prior: Prior) -> bool:
    if not space.startswith("feature@"):
        return any(spec.name == space for spec in prior.generator.info.latents) and space not in live
    entered = max((int(name.removeprefix("feature@")) for name in live if name.startswith("feature@")), default=0)
    return entered <= int(space.removeprefix("feature@")) <= prior.generator.depth


def _convert_names(live: Set[str], space: str, codes: Set[str]) -> Set[str]:
    """Return the names of the variables after a conversion; ``codes`` replace z, and become it."""
    live = live - codes | {"z"} if codes & live else live
    if space.startswith("feature@"):
        return {name for name in live if not name.startswith("feature@")} | {space}
    return live - {*LATENT_SPACES, "class"} | {space}


def _expand_selectors(recipe: Recipe, prior: Prior) -> Recipe:
    """Return the recipe with selectors such as ``noise[*]`` replaced by the names of the network's noise maps."""
    maps = [spec.name for spec in prior.generator.info.latents if spec.name.startswith("noise[")]

    def expand(table: dict[str, Any]) -> dict[str, Any]:
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

    stages = tuple(stage.model_copy(update={"move": expand(stage.move)}) for stage in recipe.stages)
    return recipe.model_copy(update={"variables": expand(recipe.variables), "stages": stages})
