"""Blind restoration: a recipe extended by the unknown parameters of a degradation, as further variables."""

from __future__ import annotations

from collections.abc import Sequence

from dgp.engine.stage_options import Move
from dgp.losses.operator_parameters import OperatorParameterNll
from dgp.observation.observation import Observation
from dgp.recipes.schema import Recipe, Variable
from dgp.search.operator_parameters import OperatorParameterSearch
from dgp.variables.constraints import Bounds
from dgp.variables.operator_parameters import OperatorParameter, expect_parameters

STEP = 0.02  # learning rate of a parameter's position in its range
TRUST = 0.1  # weight of the estimate made before the run


def add_unknowns(recipe: Recipe, observations: Sequence[Observation]) -> Recipe:
    """Return the recipe with the parameters that the observations leave open; itself where there are none."""
    expectations = expect_parameters(observations)
    return add_operator_parameters(recipe, list(expectations[0])) if expectations else recipe


def add_operator_parameters(recipe: Recipe, variables: Sequence[str]) -> Recipe:
    """Return the recipe with further variables of the parametrization ``phi``.

    They are searched coarsely on the starts, then moved by every stage along with the rest. What the recipe itself
    states of such a variable, or of the term ``unknowns``, is kept.
    """
    variable = Variable(chart=OperatorParameter(), constraint=Bounds(low=0.0, high=1.0))
    stages = []
    for stage in recipe.stages:
        move = {name: Move(lr=STEP) for name in variables} | stage.move
        terms = stage.terms
        if not any(isinstance(term, OperatorParameterNll) for term in terms):
            terms = (*terms, OperatorParameterNll(weight=TRUST))
        stages.append(stage.model_copy(update={"move": move, "terms": terms}))
    searches = recipe.searches
    if not any(isinstance(search, OperatorParameterSearch) for search in searches):
        searches = (*searches, OperatorParameterSearch(terms=stages[0].terms))
    return recipe.model_copy(
        update={
            "searches": searches,
            "variables": dict.fromkeys(variables, variable) | recipe.variables,
            "stages": tuple(stages),
        }
    )
