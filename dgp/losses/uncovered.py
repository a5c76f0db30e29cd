"""What of the object the generator's picture leaves to the observation."""

from __future__ import annotations

from typing import Literal

from dgp.losses.terms import TERMS, Term, per_row


@TERMS.register("uncovered")
class Uncovered(Term):
    """The part of what counts (``Observation.weight``; without one, of the frame) that lies outside the square of a
    warped picture: in [0, 1]. The observation stands there, which no other term finds fault with."""

    kind: str = "uncovered"
    on: Literal["warp"] = "warp"

    @property
    def name(self):
        return f"uncovered({self.on})"

    @property
    def variables(self):
        return (self.on,)

    def __call__(self, view):
        share = view.targets.share[view.targets.moved(view.pictures)]
        cover = view.problem.charts[self.on].cover(self.on, view.values, view.targets, view.pictures)
        return per_row(share * (1 - cover)) / per_row(share)
