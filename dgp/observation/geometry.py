"""The way back from the prior's square to a picture of the output's own size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degradations import Degradation
from dgp.errors import InputError
from dgp.observation.boxes import Box
from dgp.observation.images import to_pil, to_tensor


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
        operator: the pointwise degradation at `output_size`, whose `merge` keeps what `observed` shows; or None.
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
    operator: Degradation | None = None
    missing: np.ndarray | None = None
    used_box: Box | None = None

    def to_output(self, image: Tensor) -> Image.Image:
        """Return an answer as a picture of `output_size`.

        Args:
            image: (3, R, R) or (1, 3, R, R) in [-1, 1].
        """
        x = self._resize_to_box(image)
        if self.missing is not None:
            return self._fill(x)
        if self.placement == "window" and self.observed is not None:
            x = self._surround(x)
        return to_pil(x) if self.operator is None else self._merge_strips(x)

    def overlay(self, image: Tensor, around: np.ndarray) -> np.ndarray:
        """Return an answer, unmerged and not rounded, laid over an array of `output_size`.

        Args:
            image: (c, R, R) in [-1, 1].
            around: (height, width, c), which remains where the square does not reach.

        Returns:
            (height, width, c) float32.
        """
        result = np.array(around, np.float32)
        result[self._region] = self._resize_to_box(image)[0].permute(1, 2, 0).numpy()
        return result

    def _surround(self, x: Tensor) -> Tensor:
        """Return the observed picture, (1, 3, height, width) of `output_size`, with `x` in the place of the square."""
        around = to_tensor(self.observed.convert("RGB"))
        around[..., self._region[0], self._region[1]] = x
        return around

    @property
    def _region(self) -> tuple[slice, slice]:
        """Rows and columns of the output that the square shows."""
        return (
            np.s_[self.box[1] : self.box[3], self.box[0] : self.box[2]] if self.placement == "window" else np.s_[:, :]
        )

    def _resize_to_box(self, image: Tensor) -> Tensor:
        """Return the answer resized to `box_size`, (1, c, height, width), without the padding."""
        x = image.detach().to("cpu", torch.float32).reshape(1, *image.shape[-3:])
        if tuple(x.shape[-2:]) != (self.resolution, self.resolution):
            raise InputError(
                f"got an answer of {x.shape[-1]}x{x.shape[-2]}, expected the prior's "
                f"{self.resolution}x{self.resolution}"
            )
        if tuple(x.shape[-2:]) != self.box_size[::-1]:
            x = F.interpolate(x, size=self.box_size[::-1], mode="bicubic", antialias=True, align_corners=False)
        x = x.clamp(-1, 1)
        if self.placement == "pad" and self.output_size != self.box_size:
            left, top = (round(-self.box[i] * self.box_size[i] / (self.box[i + 2] - self.box[i])) for i in (0, 1))
            x = x[..., top : top + self.output_size[1], left : left + self.output_size[0]]
        return x

    def _merge_strips(self, x: Tensor) -> Image.Image:
        """Merge the answer with the observed picture.

        This is done in strips, as a whole photograph in float64 would need much memory; a mask only fits the whole.
        """
        height, width = x.shape[-2:]
        rows = height if self.operator.unobserved((height, width)) is not None else max(1, 2**20 // width)
        result = Image.new("RGB", (width, height))
        for top in range(0, height, rows):
            strip = self.observed.crop((0, top, width, min(top + rows, height)))
            part = self.operator.merge(x[..., top : top + rows, :], self.operator.read(strip))
            result.paste(to_pil(part), (0, top))
        return result

    def _fill(self, x: Tensor) -> Image.Image:
        pixels = np.array(self.observed.convert("RGB"))
        hole = self.missing[self._region]
        pixels[self._region][hole] = np.asarray(to_pil(x))[hole]
        return Image.fromarray(pixels)

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
