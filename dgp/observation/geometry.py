"""The way back from the prior's square to a picture of the output's own size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dgp.errors import InputError
from dgp.observation.boxes import Box, intersect, strips, whole_box
from dgp.observation.full_size.effective_resolution import EffectiveResolution, measure_effective_resolution
from dgp.observation.full_size.enlargement import Enlargement
from dgp.observation.full_size.grain import add_grain
from dgp.observation.full_size.photograph import Photograph, read_image
from dgp.observation.images import refuse_nan, to_pil


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the prior's square lies in the input, and how an answer is brought to the output's size.

    Attributes:
        fit: the requested fit ("auto", "crop", "pad", "stretch", "object").
        placement: how the square was placed: "whole" (the input has the prior's size), "crop", "pad", "stretch",
            "window" (a square inside the input), or "framed" (the input is a part of the answer).
        resolution: R, side of the prior's pictures.
        input_size: (width, height) of the input.
        box: the part of the input that the square shows.
        box_size: (width, height) of the box in the output; with super-resolution larger than the box by the factor.
        output_size: (width, height) of the output.
        observed: the input as an 8-bit picture of `output_size`; None if the input has another size.
        photograph: the input at its own size with its degradation, with which answers are merged; or None.
        missing: (height, width) bool, the pixels of `observed` that may change, while all others are kept bit for
            bit; or None.
        used_box: the part of the input that was used, if the placement is "framed".
    """

    fit: str
    placement: str
    resolution: int
    input_size: tuple[int, int]
    box: Box
    box_size: tuple[int, int]
    output_size: tuple[int, int]
    observed: Image.Image | None = None
    photograph: Photograph | None = None
    missing: np.ndarray | None = None
    used_box: Box | None = None

    def to_output(self, image: Tensor, *, merge: bool = True) -> Image.Image:
        """Return an answer as a picture of `output_size`.

        Args:
            image: (3, R, R) or (1, 3, R, R) in [-1, 1].
            merge: change the enlarged answer as little as possible so that it agrees with the photograph at its own
                size (``Degradation.restore_detail``). Without it, only the surroundings of the square and of the
                missing pixels are kept.
        """
        refuse_nan(image)
        enlarged = self._enlarge(image)
        read = self._surround(enlarged)
        around = None if self.observed is None else np.asarray(self.observed.convert("RGB"))
        pixels = np.empty((*self.output_size[::-1], 3), np.uint8) if around is None else around.copy()
        region = intersect(enlarged.box, whole_box(self.output_size))
        merged = merge and self.photograph is not None and self.photograph.mergeable
        parts = self.photograph.merge(read, region) if merged else ((box, read(box)) for box in strips(region))
        for box, part in parts:
            pixels[box[1] : box[3], box[0] : box[2]] = np.asarray(to_pil(part))
        if self.missing is not None:
            kept = ~self.missing
            pixels[kept] = around[kept]
            if merged:
                add_grain(pixels, self.missing, region)
        return Image.fromarray(pixels)

    @cached_property
    def effective_resolution(self) -> EffectiveResolution:
        """The resolution that a merged answer will really have at the output's size."""
        return measure_effective_resolution(
            self.photograph,
            self.output_size,
            box_size=self.box_size,
            resolution=self.resolution,
            filled=self.missing is not None,
        )

    def overlay(self, image: Tensor, around: np.ndarray) -> np.ndarray:
        """Return an answer, unmerged and not rounded, laid over an array of `output_size`.

        Args:
            image: (c, R, R) in [-1, 1].
            around: (height, width, c), which remains where the square does not reach.

        Returns:
            (height, width, c) float32.
        """
        result, enlarged = np.array(around, np.float32), self._enlarge(image)
        left, top, right, bottom = box = intersect(enlarged.box, whole_box(self.output_size))
        result[top:bottom, left:right] = enlarged.part(box)[0].permute(1, 2, 0).numpy()
        return result

    def _enlarge(self, image: Tensor) -> Enlargement:
        """Return the answer enlarged to its place in the output."""
        x = image.detach().to("cpu", torch.float32).reshape(image.shape[-3:])
        if tuple(x.shape[-2:]) != (self.resolution, self.resolution):
            raise InputError(
                f"got an answer of {x.shape[-1]}x{x.shape[-2]}, expected the prior's "
                f"{self.resolution}x{self.resolution}"
            )
        corner = (0, 0)
        if self.placement == "window":
            corner = self.box[:2]
        elif self.placement == "pad" and self.output_size != self.box_size:
            corner = tuple(round(self.box[i] * self.box_size[i] / (self.box[i + 2] - self.box[i])) for i in (0, 1))
        return Enlargement.to_size(x, self.box_size, corner)

    def _surround(self, enlarged: Enlargement) -> Callable[[Box], Tensor]:
        """Return a function that reads parts of the enlarged answer, surrounded by the observed picture."""

        def read(box: Box) -> Tensor:
            inside = intersect(box, enlarged.box)
            if inside == box:
                return enlarged.part(box)
            around = read_image(self.observed)(box)
            left, top = inside[0] - box[0], inside[1] - box[1]
            around[..., top : top + inside[3] - inside[1], left : left + inside[2] - inside[0]] = enlarged.part(inside)
            return around

        return read

    def record(self) -> dict:
        """Return the entry of result.json."""
        return {
            "placed": self.placement,
            "box": list(self.box),
            "input_size": list(self.input_size),
            "size": list(self.output_size),
        }

    def __repr__(self) -> str:
        (wide, high), (across, down) = self.input_size, self.output_size
        side = self.resolution
        return f"Geometry: {wide}x{high} px, {self.placement} {self.box} at {side}x{side}, answer {across}x{down}"
