"""The generator's square moved, scaled and turned within the observation's frame (Huh et al. 2020, pix2latent)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from degradations.constants import constant
from dgp.variables.parametrizations import CHARTS, Chart

if TYPE_CHECKING:
    from dgp.losses.prediction import Targets

# Where BigGAN's objects lie, on average (pix2latent): centre x and y, width and height, in parts of the side.
BIGGAN_OBJECT = (137 / 255, 127 / 255, 213 / 255, 210 / 255)


@CHARTS.register("warp")
class Warp(Chart):
    """A similarity transform of the generator's picture; around its square the observation stands.

    The value (N, 4) is what is added to the start: x and y in half-sides of the frame, the logarithm of the scale,
    and the angle in radians (clockwise as it is seen).  Nothing that compares pictures finds fault outside the square,
    so that a run that moves or scales it needs the term ``uncovered``: without it the square flees from the object.

    translation, scale, rotation: factors on these; 0 leaves that part as it starts.
    start: "identity", or "object": the box around what the observation's weight marks comes to lie where the prior's
        objects do; without a weight the identity.
    typical: where those lie: centre x and y, width and height, in parts of the side.
    around: where the observation begins: outside the "square", or already outside the "object" that the weight marks
        (mixed by the weight), so that no term asks the generator for the object's surroundings.
    """

    kind: str = "warp"
    accompanies: ClassVar[bool] = True
    translation: NonNegativeFloat = 1.0
    scale: NonNegativeFloat = 1.0
    rotation: NonNegativeFloat = 1.0
    start: Literal["identity", "object"] = "identity"
    typical: tuple[float, float, float, float] = BIGGAN_OBJECT
    around: Literal["square", "object"] = "square"

    def stands_for(self, name):
        return False

    def provides(self, name, info):
        return (name,)

    def begin(self, name, drawn, count, prior, random):
        return drawn | {name: torch.zeros(count, 4, device=prior.generator.device)}

    def latents(self, name, values, prior):
        return {}

    def picture(self, name, image, values, targets, pictures):
        square = Square.of(self.placement(values[name], targets, pictures), image.shape[-1])
        share = square.cover()
        if self.around == "object":
            share = share * targets.share[targets.moved(pictures)]
        return share * square.placed(image) + (1 - share) * targets.backdrop[targets.moved(pictures)]

    def cover(self, name, values, targets, pictures):
        return Square.of(self.placement(values[name], targets, pictures), targets.size[0]).cover()

    def placement(self, value: Tensor, targets: Targets, pictures: Tensor) -> Tensor:
        """(N, 4): x and y in half-sides, the logarithm of the scale, the angle in radians."""
        value = value * constant((self.translation, self.translation, self.scale, self.rotation), value)
        if self.start == "identity":
            return value
        at = targets.once((self.typical, value.dtype), lambda: aligned(targets.boxes, self.typical).to(value))
        return value + at[targets.moved(pictures)]


def aligned(boxes: Tensor, typical: tuple[float, float, float, float]) -> Tensor:
    """(P, 4) placements that bring the prior's ``typical`` box over ``boxes`` (P, 4), and cover them in both
    directions.

    Boxes are centre x and y, width and height in parts of the side; where they are NaN, the identity.
    """
    x, y, width, height = typical
    usual = boxes.new_tensor([2 * x - 1, 2 * y - 1])
    scale = (boxes[:, 2:] / boxes.new_tensor([width, height])).amax(1, keepdim=True)
    shift = 2 * boxes[:, :2] - 1 - scale * usual
    return torch.cat([shift, scale.log(), torch.zeros_like(scale)], 1).nan_to_num(0.0)


@dataclass(frozen=True, eq=False)
class Square:
    """R x R pictures in an R x R frame. u, v (N, R, R): which column and row of the picture, in pixels, each pixel of
    the frame shows.  scale (N,)."""

    u: Tensor
    v: Tensor
    scale: Tensor

    @staticmethod
    def of(placement: Tensor, side: int) -> Square:
        """placement (N, 4): see ``Warp.placement``."""
        x, y, log_scale, angle = (entry[:, None, None] for entry in placement.unbind(1))
        index = torch.arange(side, device=placement.device, dtype=placement.dtype)
        column, row = (2 * index[None, :] + 1) / side - 1, (2 * index[:, None] + 1) / side - 1
        right, down, shrink = column - x, row - y, (-log_scale).exp()
        cosine, sine = angle.cos(), angle.sin()
        # As displacements, which are exactly 0 for the identity, so that it gives back every bit.
        across = shrink * (cosine * right + sine * down) - column
        along = shrink * (cosine * down - sine * right) - row
        half = side / 2
        return Square(index[None, :] + half * across, index[:, None] + half * along, log_scale.exp()[:, 0, 0])

    def cover(self) -> Tensor:
        """(N, 1, R, R) in [0, 1]: how much of each pixel of the frame lies in the square, to first order."""
        side = self.u.shape[-1]
        within = (torch.minimum(w + 0.5, side - 0.5 - w) for w in (self.u, self.v))
        across, along = ((self.scale[:, None, None] * depth + 0.5).clamp(0, 1) for depth in within)
        return (across * along)[:, None]

    def placed(self, image: Tensor) -> Tensor:
        """(N, C, R, R) in the frame, its edge repeated outside the square: bilinear, after a blur where it shrinks,
        so that both together spread a pixel as widely as Pillow's antialiased bilinear filter does."""
        reach = (1 / self.scale).clamp(min=1)
        image = torch.where((reach > 1)[:, None, None, None], blurred(image, reach), image)
        u, v = (w.clamp(0, image.shape[-1] - 1) for w in (self.u, self.v))
        left, top = u.floor().detach(), v.floor().detach()
        right, bottom = (w.add(1).clamp(max=image.shape[-1] - 1) for w in (left, top))
        x, y = ((w - first)[:, None] for w, first in ((u, left), (v, top)))
        upper = picked(image, left, top) * (1 - x) + picked(image, right, top) * x
        lower = picked(image, left, bottom) * (1 - x) + picked(image, right, bottom) * x
        return upper * (1 - y) + lower * y


def blurred(image: Tensor, reach: Tensor) -> Tensor:
    """(N, C, R, R), each under a triangle that falls to 0 at ``reach`` (N,) pixels.

    Its variance is (reach^2 - 1) / 6 square pixels; bilinear interpolation adds 1 / 6 on average.
    """
    index = torch.arange(image.shape[-1], device=image.device, dtype=reach.dtype)
    distance = (index[:, None] - index[None, :]).abs()
    weight = (1 - distance / reach[:, None, None]).clamp(min=0)
    weight = (weight / weight.sum(-1, keepdim=True)).to(image)[:, None]
    return weight @ image @ weight.mT


def picked(image: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """The pixels of (N, C, R, R) at whole numbers (N, R, R)."""
    index = (row * image.shape[-1] + column).long().flatten(1)[:, None]
    return image.flatten(2).gather(2, index.expand(-1, image.shape[1], -1)).view_as(image)
