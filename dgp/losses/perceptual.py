"""Perceptual distances on observations: at one scale, and down a pyramid."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, PositiveInt, model_validator
from torch import Tensor

from dgp.losses.feature_networks.network import FeatureNetwork, mean_over_positions
from dgp.losses.feature_networks.table import TRUNKS, NetworkName, find_network
from dgp.losses.prediction import OperatorGroup, Prediction
from dgp.losses.terms import TERMS
from dgp.losses.trunk_term import TrunkTerm


@TERMS.register("perceptual")
class Perceptual(TrunkTerm):
    """The distance of feature maps of the lifted prediction and observation (Zhang et al. 2018, eq. 1).

    It is LPIPS with a trunk of LPIPS (version 0.1 of its weights), and is named after its trunk with any other. The
    weights of the observation, if any, weigh the positions of each map.

    size: side in pixels to which larger pictures are shrunk first, by area.
    """

    kind: str = "perceptual"
    trunk: NetworkName = "efficientnet-lite0"
    size: PositiveInt | None = None

    @model_validator(mode="after")
    def _large_enough(self):
        if not self.takes(self.trunk):
            needed = TRUNKS[self.trunk].least_side
            raise ValueError(f"size: got {self.size}, the {self.trunk} trunk needs {needed}")
        return self

    def takes(self, name):
        return self.size is None or self.size >= TRUNKS[name].least_side

    @property
    def name(self):
        return name_distance("lpips", "perceptual", self.trunk)

    @property
    def networks(self):
        name = TRUNKS[self.trunk].name
        return (name if self.size is None else f"{name} at {self.size} px",)

    def __call__(self, prediction):
        network, batch = find_network(self.trunk, prediction), prediction.batch
        shrinks = self.size is not None and self.size < max(batch.size)
        extract = (lambda pictures: network.maps(shrink(pictures, self.size))) if shrinks else network.maps
        ours = extract(prediction.lifted) if shrinks else network.maps_of_prediction(prediction)
        theirs = batch.cache_of_observations((self.networks, "unit maps"), extract)
        index = batch.to_device(prediction.pictures)
        return network.distance(ours, [feature[index] for feature in theirs], lift_weight(prediction))


@TERMS.register("lpips")
class Lpips(Perceptual):
    """The term ``perceptual`` under the name that recipes with a trunk of LPIPS give it.

    With another trunk a recipe is resolved to ``perceptual``.
    """

    kind: str = "lpips"
    trunk: NetworkName = "alex"

    def with_trunk(self, name):
        return _with_trunk(self, name, Perceptual)


def shrink(pictures: Tensor, side: int) -> Tensor:
    """Return pictures averaged by area: (N, 3, h, w) -> (N, 3, side, side)."""
    return F.adaptive_avg_pool2d(pictures, (side, side))


def lift_weight(prediction: Prediction) -> Tensor | None:
    """Return the weights of the observations at the size of the lifted ones, (N, 1, R, R); None without weights."""
    if all(group.weight is None for group in prediction.groups):
        return None
    size = prediction.batch.size

    def at_size(group: OperatorGroup) -> Tensor:
        if group.weight is None:
            return group.y.new_ones(len(group.rows), 1, *size)
        return F.adaptive_avg_pool2d(group.weight, size)

    return prediction.assemble([(group.rows, at_size(group)) for group in prediction.groups])


@TERMS.register("perceptual-pyramid")
class PerceptualPyramid(TrunkTerm):
    """L = sum_l d(x_l, y_l) + l1 * mean |x_L - y_L| down a pyramid of 2x2 averages (RSR, its code).

    The multi-resolution loss of Poirier-Ginter & Lalonde 2023, at the observation's own size; d is the distance of
    ``Perceptual``. Where pixels are missing, prediction and observation get the same noise at each level, drawn in each
    step, so that a hole's edge is not matched: N(0, 1) / 2 + 1/4 of pictures in [0, 1].

    above, levels: d is taken of at most so many levels, while their sides exceed ``above`` pixels, and left out of
        levels that are too small for the network.  l1: weight of the mean absolute difference of pictures in [0, 1].
    """

    kind: str = "perceptual-pyramid"
    trunk: NetworkName = "efficientnet-lite0"
    l1: NonNegativeFloat = 0.1
    above: PositiveInt = 16
    levels: PositiveInt = 6

    @property
    def name(self):
        return name_distance("lpips-pyramid", "perceptual-pyramid", self.trunk)

    @property
    def networks(self):
        return (TRUNKS[self.trunk].name,)

    @property
    def stochastic(self):
        return True

    def __call__(self, prediction):
        network = find_network(self.trunk, prediction)
        return prediction.assemble(
            [(group.rows, self._of_group(group, prediction, network)) for group in prediction.groups]
        )

    def _of_group(self, group: OperatorGroup, prediction: Prediction, network: FeatureNetwork) -> Tensor:
        """Return the losses of the rows of a group, (n,)."""
        ours, theirs = (self._pyramid(lift_to_own_size(picture, group)) for picture in (group.prediction, group.y))
        holes = None if group.missing is None else self._pyramid(group.missing.to(group.y))
        if holes:
            ours, theirs = (self._pyramid(levels[0] * (1 - holes[0])) for levels in (ours, theirs))
        total = self.l1 / 2 * mean_over_positions((ours[-1] - theirs[-1]).abs().mean(1, keepdim=True), group.weight)
        # The first level is the pass that `networks` counts; further ones cost little while levels stay small.
        for k, (mine, other) in enumerate(zip(ours[:-1], theirs[:-1], strict=True)):
            if min(mine.shape[-2:]) < network.least_side:
                break
            if holes:
                filling = holes[k] * (draw_noise(mine, group, prediction) - 0.5)
                mine = mine + filling
                with torch.no_grad():
                    target = network.maps(other + filling)
                    if k == 0 or network.resizes:
                        prediction.count_pass(group.rows)
            else:
                key, extract = (self.networks, "level", k), self._extract_level(group, network, k)
                maps = prediction.batch.cache_of_observations(key, extract, group.group)
                target = [feature[group.position] for feature in maps]
            total = total + network.distance(network.maps(mine), target, group.weight)
            if k and network.resizes:
                prediction.count_pass(group.rows)
        return total

    def _pyramid(self, picture: Tensor) -> list[Tensor]:
        """Return the levels of which LPIPS is taken, and the last one."""
        levels = [picture]
        while len(levels) <= self.levels and min(levels[-1].shape[-2:]) > self.above:
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels

    def _extract_level(self, group: OperatorGroup, network: FeatureNetwork, k: int) -> Callable[[Tensor], list[Tensor]]:
        """Return a function from y (n, c, h, w) to the maps of its level k."""
        return lambda y: network.maps(self._pyramid(lift_to_own_size(y, group))[k])


@TERMS.register("lpips-pyramid")
class LpipsPyramid(PerceptualPyramid):
    """The term ``perceptual-pyramid`` under the name that recipes with a trunk of LPIPS give it, see ``Lpips``."""

    kind: str = "lpips-pyramid"
    trunk: NetworkName = "vgg"

    def with_trunk(self, name):
        return _with_trunk(self, name, PerceptualPyramid)


def lift_to_own_size(picture: Tensor, group: OperatorGroup) -> Tensor:
    """Return an observation, or a prediction of it, (n, c, h, w), as a picture (n, 3, h, w)."""
    return group.operator.lift(picture, tuple(picture.shape[-2:]))


def draw_noise(like: Tensor, group: OperatorGroup, prediction: Prediction) -> Tensor:
    """Draw N(0, 1) in the shape of ``like``, whose rows are the group's, from the stream of each row."""
    streams = (prediction.random.generators[row] for row in group.rows.tolist())
    return torch.stack([torch.randn(like.shape[1:], generator=stream) for stream in streams]).to(like)


def name_distance(lpips: str, other: str, trunk: NetworkName) -> str:
    """Return the name of a loss: that of LPIPS for its own trunks, another with the trunk's for all others."""
    return lpips if TRUNKS[trunk].lpips else f"{other}-{trunk}"


def _with_trunk(term: TrunkTerm, name: NetworkName, general: type[TrunkTerm]) -> TrunkTerm:
    """Return a term through another network: of the same kind through one of LPIPS, else of the general kind."""
    if TRUNKS[name].lpips:
        return term.model_copy(update={"trunk": name})
    return general(**term.model_dump(exclude={"kind", "trunk"}), trunk=name)
