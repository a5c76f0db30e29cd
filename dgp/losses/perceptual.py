"""LPIPS on observations: at one scale, and down a pyramid."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from dgp.losses.feature_networks import SMALLEST, Trunk, TrunkName, over_positions, refusal, trunk_of
from dgp.losses.prediction import Part, View
from dgp.losses.terms import TERMS, Term


class Perceptual(Term):
    """trunk: the network of LPIPS ("alex", "vgg", "squeeze"), or "discriminator": the prior's, in the same formula."""

    trunk: TrunkName

    @property
    def networks(self):
        return (self.trunk if self.trunk == "discriminator" else f"lpips-{self.trunk}",)

    def refuse(self, prior):
        return refusal(self.name, self.trunk, prior)


@TERMS.register("lpips")
class Lpips(Perceptual):
    """LPIPS (Zhang et al. 2018, eq. 1, version 0.1 of its weights) of the lifted prediction and observation. The
    observation's weights, where it has any, weigh the positions of each map.

    size: the pixels a side that larger pictures are first shrunk to, by area.
    """

    kind: str = "lpips"
    trunk: TrunkName = "alex"
    size: PositiveInt | None = None

    @model_validator(mode="after")
    def _large_enough(self):
        if self.size is not None and self.size < SMALLEST[self.trunk]:
            raise ValueError(f"size: got {self.size}, the {self.trunk} trunk needs {SMALLEST[self.trunk]}")
        return self

    @property
    def networks(self):
        (name,) = super().networks
        return (name if self.size is None else f"{name} at {self.size} px",)

    def __call__(self, view):
        through = trunk_of(self.trunk, view)
        shrinks = self.size is not None and self.size < max(view.targets.size)
        look = (lambda pictures: through.maps(shrunk(pictures, self.size))) if shrinks else through.maps
        ours = look(view.lifted) if shrinks else through.of_lifted(view)
        theirs = view.targets.cached((self.networks, "unit maps"), look)
        index = view.targets.moved(view.pictures)
        return through.distance(ours, [found[index] for found in theirs], lifted_weight(view))


def shrunk(pictures: Tensor, side: int) -> Tensor:
    """(N, 3, h, w) -> (N, 3, side, side), each pixel the mean of its area."""
    return F.adaptive_avg_pool2d(pictures, (side, side))


def lifted_weight(view: View) -> Tensor | None:
    """(N, 1, R, R): the weights of the observations at the size of the lifted ones; None where there are none."""
    if all(part.weight is None for part in view.parts):
        return None
    size = view.targets.size

    def at_size(part: Part) -> Tensor:
        if part.weight is None:
            return part.y.new_ones(len(part.rows), 1, *size)
        return F.adaptive_avg_pool2d(part.weight, size)

    return view.join([(part.rows, at_size(part)) for part in view.parts])


@TERMS.register("lpips-pyramid")
class LpipsPyramid(Perceptual):
    """The multi-resolution loss of Poirier-Ginter & Lalonde 2023 (RSR, its code), at the observation's own size: LPIPS
    at each level, 2x2 average pooling from one to the next, and an L1 distance at the last.

    Where pixels are missing, prediction and observation get the same noise at each level, drawn anew in each step, so
    that a hole's edge is not matched: N(0, 1) / 2 + 1/4 of pictures in [0, 1].
    above, levels: LPIPS is taken of so many levels at most, while their sides exceed ``above`` pixels, and left out of
    those that are too small for the trunk.  l1: the weight of the mean absolute difference of pictures in [0, 1].
    """

    kind: str = "lpips-pyramid"
    trunk: TrunkName = "vgg"
    l1: NonNegativeFloat = 0.1
    above: PositiveInt = 16
    levels: PositiveInt = 6

    @property
    def stochastic(self):
        return True

    def __call__(self, view):
        through = trunk_of(self.trunk, view)
        return view.join([(part.rows, self._of_part(part, view, through)) for part in view.parts])

    def _of_part(self, part: Part, view: View, through: Trunk) -> Tensor:
        """Of its rows (n,)."""
        ours, theirs = (self._levels(own_size(picture, part)) for picture in (part.prediction, part.y))
        holes = None if part.missing is None else self._levels(part.missing.to(part.y))
        if holes:
            ours, theirs = (self._levels(levels[0] * (1 - holes[0])) for levels in (ours, theirs))
        total = self.l1 / 2 * over_positions((ours[-1] - theirs[-1]).abs().mean(1, keepdim=True), part.weight)
        # Of the passes the first is counted as the term's own; further ones cost little where levels stay small.
        for k, (mine, other) in enumerate(zip(ours[:-1], theirs[:-1], strict=True)):
            if min(mine.shape[-2:]) < through.smallest:
                break
            if holes:
                filling = holes[k] * (noise(mine, part, view) - 0.5)
                mine = mine + filling
                with torch.no_grad():
                    seen = through.maps(other + filling)
                    if k == 0 or through.enlarges:
                        view.looked(part.rows)
            else:
                known = view.targets.cached((self.networks, "level", k), self._looking(part, through, k), part.kind)
                seen = [found[part.place] for found in known]
            total = total + through.distance(through.maps(mine), seen, part.weight)
            if k and through.enlarges:
                view.looked(part.rows)
        return total

    def _levels(self, picture: Tensor) -> list[Tensor]:
        """Those where LPIPS is taken, and the last one."""
        found = [picture]
        while len(found) <= self.levels and min(found[-1].shape[-2:]) > self.above:
            found.append(F.avg_pool2d(found[-1], 2))
        return found

    def _looking(self, part: Part, through: Trunk, k: int) -> Callable[[Tensor], list[Tensor]]:
        """y (n, c, h, w) -> the maps of its level k."""
        return lambda y: through.maps(self._levels(own_size(y, part))[k])


def own_size(picture: Tensor, part: Part) -> Tensor:
    """An observation or a prediction of it (n, c, h, w) as a picture (n, 3, h, w)."""
    return part.operator.lift(picture, tuple(picture.shape[-2:]))


def noise(like: Tensor, part: Part, view: View) -> Tensor:
    """N(0, 1) in the shape of ``like``, whose rows are the part's, from the stream of each row."""
    streams = (view.random.generators[row] for row in part.rows.tolist())
    return torch.stack([torch.randn(like.shape[1:], generator=stream) for stream in streams]).to(like)
