"""The likelihood of a degradation's unknown parameters under what is known of them beforehand."""

from __future__ import annotations

from degradations.constants import constant
from dgp.losses.terms import TERMS, Term
from dgp.variables.operator_parameters import is_operator_parameter

LEAST_SPREAD = 0.01  # of the range; a smaller standard deviation of an estimate is not believed


@TERMS.register("unknowns")
class OperatorParameterNll(Term):
    """L = sum_k ((p_k - mean_k) / sigma_k)^2 / 2 over the unknown parameters p_k of the degradation.

    Mean and sigma are those of the estimate made before the run: the negative log-likelihood of a normal distribution.
    """

    kind: str = "unknowns"

    def __call__(self, prediction):
        index = prediction.batch.to_device(prediction.pictures)
        total = prediction.image.new_zeros(len(prediction.pictures))
        for name, value in prediction.values.items():
            if is_operator_parameter(name):
                expected = [one[name] for one in prediction.expectations]
                numbers = tuple((one.position, max(one.spread, LEAST_SPREAD)) for one in expected)
                position, spread = constant(numbers, value)[index].T
                total = total + ((value[:, 0] - position) / spread).square() / 2
        return total
