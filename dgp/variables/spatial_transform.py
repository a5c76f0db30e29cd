"""The generator's square moved, scaled and turned within the observation's frame (Huh et al. 2020, pix2latent)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from degradations.constants import constant
from dgp.observation.batch import ObservationBatch
from dgp.variables.parametrizations import PARAMETRIZATIONS, ImageTransform

# Where BigGAN's objects lie, on average (pix2latent): centre x and y, width and height, as fractions of the side.
BIGGAN_OBJECT = (137 / 255, 127 / 255, 213 / 255, 210 / 255)


@PARAMETRIZATIONS.register("warp")
class SpatialTransform(ImageTransform):
    """A similarity transform of the generator's picture; outside its square the observation remains.

    The value (N, 4) is added to the start: x and y in half-sides of the frame, the logarithm of the scale, and the
    angle in radians, clockwise. No term that compares pictures has an error outside the square, so that a run that
    moves or scales it needs the term ``uncovered``: without it the square leaves the object.

    translation, scale, rotation: factors on these; 0 keeps that part at its start.
    start: "identity", or "object": the box around the pixels that the observation's weight marks is covered by the box
        in which the prior draws objects; without a weight the identity.
    typical: that box of the prior: centre x and y, width and height, as fractions of the side.
    around: where the observation replaces the generator's picture: outside the "square", or outside the "object" that
        the weight marks (mixed by the weight), so that no term asks the generator for the object's surroundings.
    """

    kind: str = "warp"
    auxiliary: ClassVar[bool] = True
    translation: NonNegativeFloat = 1.0
    scale: NonNegativeFloat = 1.0
    rotation: NonNegativeFloat = 1.0
    start: Literal["identity", "object"] = "identity"
    typical: tuple[float, float, float, float] = BIGGAN_OBJECT
    around: Literal["square", "object"] = "square"

    def initialize(self, name, drawn, *, count, prior, random):
        return drawn | {name: torch.zeros(count, 4, device=prior.generator.device)}

    def transform(self, image, value, batch, pictures):
        square = Square.from_placement(self.placement(value, batch, pictures), image.shape[-1])
        share = square.coverage()
        if self.around == "object":
            share = share * batch.pixel_weight[batch.to_device(pictures)]
        return share * square.resample(image) + (1 - share) * batch.backdrop[batch.to_device(pictures)]

    def coverage(self, value, batch, pictures):
        return Square.from_placement(self.placement(value, batch, pictures), batch.size[0]).coverage()

    def placement(self, value: Tensor, batch: ObservationBatch, pictures: Tensor) -> Tensor:
        """Return x and y in half-sides, the logarithm of the scale, and the angle in radians, (N, 4)."""
        value = value * constant((self.translation, self.translation, self.scale, self.rotation), value)
        if self.start == "identity":
            return value
        at = batch.cache((self.typical, value.dtype), lambda: align_boxes(batch.boxes, self.typical).to(value))
        return value + at[batch.to_device(pictures)]


def align_boxes(boxes: Tensor, typical: tuple[float, float, float, float]) -> Tensor:
    """Return placements (P, 4) that bring the prior's ``typical`` box over ``boxes`` and cover them in both directions.

    Args:
        boxes: (P, 4), centre x and y, width and height, as fractions of the side; NaN gives the identity.
        typical: such a box.
    """
    x, y, width, height = typical
    usual = boxes.new_tensor([2 * x - 1, 2 * y - 1])
    scale = (boxes[:, 2:] / boxes.new_tensor([width, height])).amax(1, keepdim=True)
    shift = 2 * boxes[:, :2] - 1 - scale * usual
    return torch.cat([shift, scale.log(), torch.zeros_like(scale)], 1).nan_to_num(0.0)


@dataclass(frozen=True, eq=False)
class Square:
    """A grid that samples R x R pictures for an R x R frame.

    Attributes:
        u, v: column and row of the picture, in pixels, that each pixel of the frame shows, (N, R, R).
        scale: size of the square over the size of the frame, (N,).
    """

    u: Tensor
    v: Tensor
    scale: Tensor

    @staticmethod
    def from_placement(placement: Tensor, side: int) -> Square:
        """Return the grid of placements (N, 4), see ``SpatialTransform.placement``, for pictures of ``side`` pixels."""
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

    def coverage(self) -> Tensor:
        """Return how much of each pixel of the frame lies in the square, to first order, (N, 1, R, R) in [0, 1]."""
        side = self.u.shape[-1]
        within = (torch.minimum(w + 0.5, side - 0.5 - w) for w in (self.u, self.v))
        across, along = ((self.scale[:, None, None] * depth + 0.5).clamp(0, 1) for depth in within)
        return (across * along)[:, None]

    def resample(self, image: Tensor) -> Tensor:
        """Return pictures (N, C, R, R) in the frame, with their edges repeated outside the square.

        Bilinear, after a blur where the picture shrinks: the two together spread a pixel as widely as Pillow's
        antialiased bilinear filter does.
        """
        reach = (1 / self.scale).clamp(min=1)
        image = torch.where((reach > 1)[:, None, None, None], antialias(image, reach), image)
        u, v = (w.clamp(0, image.shape[-1] - 1) for w in (self.u, self.v))
        left, top = u.floor().detach(), v.floor().detach()
        right, bottom = (w.add(1).clamp(max=image.shape[-1] - 1) for w in (left, top))
        x, y = ((w - first)[:, None] for w, first in ((u, left), (v, top)))
        upper = gather_pixels(image, left, top) * (1 - x) + gather_pixels(image, right, top) * x
        lower = gather_pixels(image, left, bottom) * (1 - x) + gather_pixels(image, right, bottom) * x
        return upper * (1 - y) + lower * y


def antialias(image: Tensor, reach: Tensor) -> Tensor:
    """Return pictures (N, C, R, R) filtered by a triangle that falls to 0 at ``reach`` (N,) pixels.

    Its variance is (reach^2 - 1) / 6 square pixels; bilinear interpolation adds 1 / 6 on average.
    """
    index = torch.arange(image.shape[-1], device=image.device, dtype=reach.dtype)
    distance = (index[:, None] - index[None, :]).abs()
    weight = (1 - distance / reach[:, None, None]).clamp(min=0)
    weight = (weight / weight.sum(-1, keepdim=True)).to(image)[:, None]
    return weight @ image @ weight.mT


def gather_pixels(image: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Return the pixels of pictures (N, C, R, R) at integer columns and rows (N, R, R)."""
    index = (row * image.shape[-1] + column).long().flatten(1)[:, None]
    return image.flatten(2).gather(2, index.expand(-1, image.shape[1], -1)).view_as(image)
