"""Unknown parameters of a degradation as optimised variables, one value a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from degradations import Degradation
from dgp.observation.estimate import Expectation
from dgp.observation.observation import Observation
from dgp.variables.parametrizations import PARAMETRIZATIONS, Parametrization


def variable_name(parameter: str) -> str:
    """Return the name of the variable of an unknown parameter."""
    return f"phi[{parameter}]"


def is_operator_parameter(name: str) -> bool:
    """Return whether a variable is an unknown parameter of a degradation."""
    return name.startswith("phi[")


@PARAMETRIZATIONS.register("phi")
class OperatorParameter(Parametrization):
    """A position between the least and the greatest value of an unknown parameter, 0 to 1, on the parameter's scale.

    The value enters the degradation, not the generator. Its start comes from the picture (`expect_parameters`).
    """

    kind: str = "phi"
    auxiliary = True

    def suits(self, name):
        return False

    def provides(self, name, info):
        return (name,)

    def initialize(self, name, drawn, *, count, prior, random):
        return drawn

    def to_latents(self, name, values, prior):
        return {}


def expect_parameters(observations: Sequence[Observation]) -> list[dict[str, Expectation]]:
    """Return, for each observation, where every operator parameter of the run is expected, by variable.

    Estimates are in pixels of the photograph. Their positions are the same in the ranges of the scaled operator.

    A parameter that only other observations leave open is expected in the middle of its range, without spread. The
    list is empty where no observation leaves any open.
    """
    unknowns = [observation.degradation.unknowns() for observation in observations]
    names = dict.fromkeys(name for table in unknowns for name in table)
    if not names:
        return []
    return [
        {
            variable_name(name): (
                Expectation.from_estimate(observation.estimates[name], observation.whole.unknowns()[name])
                if name in table
                else Expectation()
            )
            for name in names
        }
        for observation, table in zip(observations, unknowns, strict=True)
    ]


def draw_positions(expectations: Mapping[str, Expectation], count: int, random: torch.Generator) -> dict[str, Tensor]:
    """Draw positions (count, 1) by variable: the first row at the expectation, the others around it."""
    drawn = {}
    for name, expectation in expectations.items():
        offset = torch.randn(count, 1, generator=random) * expectation.spread
        offset[0] = 0
        drawn[name] = (expectation.position + offset).clamp(0, 1)
    return drawn


def bind_parameters(operator: Degradation, values: Mapping[str, Tensor]) -> Degradation:
    """Return the operator with its unknown parameters bound to one value a row.

    Args:
        operator: a degradation that may have unknown parameters.
        values: variables by name, among them a position (N, 1) for each unknown parameter.
    """
    unknowns = operator.unknowns()
    return operator.bind({name: unknown.value(values[variable_name(name)][:, 0]) for name, unknown in unknowns.items()})
