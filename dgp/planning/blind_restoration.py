"""Blind restoration is the same run with more variables: a recipe, extended by the unknown parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dgp.losses.operator_parameters import Unknowns
from dgp.recipes.recipe import Move, Recipe, Variable
from dgp.search.operator_parameters import UnknownsSearch
from dgp.variables.constraints import Bounds
from dgp.variables.operator_parameters import Guess, Phi, variable

if TYPE_CHECKING:
    from dgp.observation.observation import Observation

# A step of the position in its range, and how strongly what was known beforehand holds it back.
STEP, TRUST = 0.02, 0.1


def expected(observations: Sequence[Observation]) -> list[dict[str, Guess]]:
    """Of each picture, where every variable of the run is expected; those of other pictures stay where they are."""
    every = [o.degradation.unknowns() for o in observations]
    names = dict.fromkeys(name for unknowns in every for name in unknowns)
    if not names:
        return []
    return [
        {variable(name): Guess.of(o.estimates[name], unknowns[name]) if name in unknowns else Guess() for name in names}
        for o, unknowns in zip(observations, every, strict=True)
    ]


def blind(recipe: Recipe, observations: Sequence[Observation]) -> Recipe:
    """The recipe with whatever the observations leave open."""
    positions = expected(observations)
    return extended(recipe, list(positions[0])) if positions else recipe


def extended(recipe: Recipe, variables: Sequence[str]) -> Recipe:
    """The recipe with more variables of chart ``phi``: searched coarsely on the starts, then moved by every stage along
    with the rest.

    What the recipe itself says of such a variable, or of the term ``unknowns``, stands.
    """
    own = Variable(chart=Phi(), constraint=Bounds(low=0.0, high=1.0))
    stages = []
    for stage in recipe.stages:
        move = {name: Move(lr=STEP) for name in variables} | stage.move
        terms = stage.terms
        if not any(isinstance(term, Unknowns) for term in terms):
            terms = (*terms, Unknowns(weight=TRUST))
        stages.append(stage.model_copy(update={"move": move, "terms": terms}))
    coarse = UnknownsSearch(terms=stages[0].terms)
    searches = (
        recipe.searches if any(isinstance(s, UnknownsSearch) for s in recipe.searches) else (*recipe.searches, coarse)
    )
    return recipe.model_copy(
        update={
            "searches": searches,
            "variables": dict.fromkeys(variables, own) | recipe.variables,
            "stages": tuple(stages),
        }
    )
