"""The input and the result of framing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from PIL import Image
from torch import Tensor

from degradations import Degradation
from dgp.faces.landmarks import Face
from dgp.observation.boxes import Box, crop_box, pad_box, whole_box
from dgp.observation.geometry import Geometry
from dgp.observation.images import Picture, flatten


@dataclass(frozen=True, eq=False)
class FramingRequest:
    """A picture, and how it shall be fitted into the square of a prior.

    Attributes:
        source: the picture.
        fit: one of ``dgp.observation.boxes.FITS``.
        window: the box to work in if it is known in advance (the square around an object), else None.
        resolution: R, side of the prior's pictures.
        seed: seed of random masks.
        clean: the clean picture from which the picture was simulated, or None.
        faces: the faces to which the square is aligned, the first ones first; empty: none.
    """

    source: Picture
    fit: str
    window: Box | None
    resolution: int
    seed: int
    clean: Image.Image | None = None
    faces: tuple[Face, ...] = ()

    @cached_property
    def image(self) -> Image.Image:
        """The picture as 8-bit "L" or "RGB", transparent pixels on white."""
        return flatten(self.source)[0]

    @property
    def square(self) -> tuple[int, int]:
        """The size of the prior's pictures, (R, R)."""
        return self.resolution, self.resolution

    def choose_box(self, fit: str, expected: tuple[int, int] | None = None) -> tuple[Box, str]:
        """Return the part of the input to use, and its placement (``Geometry.placement``).

        Args:
            fit: "auto", "crop", "pad", "stretch" or "object".
            expected: (width, height) at which nothing has to be resized; None: the prior's size.
        """
        size, window = self.image.size, self.window
        if window is not None and size != (window[2] - window[0], window[3] - window[1]):
            return window, "window"
        if size == (expected or self.square):
            return whole_box(size), "whole"
        if fit == "crop":
            return crop_box(size), "crop"
        if fit == "pad":
            return pad_box(size), "pad"
        return whole_box(size), "stretch"


@dataclass(frozen=True, eq=False)
class FramedInput:
    """A degraded picture in the prior's square.

    Attributes:
        geometry: the way back to the output's size.
        operator: the degradation for the square: y = operator(x), x of (1, 3, R, R).
        whole: the degradation for the input's own size.
        y: (1, c, h, w), the part of the input that the square shows.
        notes: sentences for the user about pixels of the input that are lost.
        others: the same for further parts of the picture, each with a group of holes or a face.
    """

    geometry: Geometry
    operator: Degradation
    whole: Degradation
    y: Tensor
    notes: tuple[str, ...] = ()
    others: tuple[FramedInput, ...] = ()
