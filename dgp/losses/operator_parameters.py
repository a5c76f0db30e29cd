"""What was known of the parameters before the prior was asked."""

from __future__ import annotations

from dgp.losses.terms import TERMS, Term
from dgp.variables.operator_parameters import is_unknown

LEAST = 0.01  # of the range: the smallest standard deviation that is believed


@TERMS.register("unknowns")
class Unknowns(Term):
    """Half the squared distance of the unknown parameters from where they are expected, in standard deviations of what
    is known of them beforehand: the negative logarithm of a normal density, summed over the parameters."""

    kind: str = "unknowns"

    def __call__(self, view):
        total = view.image.new_zeros(len(view.pictures))
        for name, value in view.values.items():
            if is_unknown(name):
                expected = [view.problem.guesses[picture][name] for picture in view.pictures.tolist()]
                position = value.new_tensor([guess.position for guess in expected])
                spread = value.new_tensor([max(guess.spread, LEAST) for guess in expected])
                total = total + ((value[:, 0] - position) / spread).square() / 2
        return total
