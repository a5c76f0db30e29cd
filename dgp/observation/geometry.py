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
from dgp.faces.alignment import Alignment
from dgp.faces.landmarks import Face
from dgp.observation.boxes import Box, intersect, strips, whole_box
from dgp.observation.full_size.aligned_picture import AlignedPicture
from dgp.observation.full_size.effective_resolution import EffectiveResolution, measure_effective_resolution
from dgp.observation.full_size.enlargement import Enlargement
from dgp.observation.full_size.grain import add_grain
from dgp.observation.full_size.photograph import Photograph, read_image
from dgp.observation.images import refuse_nan, to_pil, to_tensor
from dgp.observation.resizing import fit_tensor


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the prior's square lies in the input, and how an answer is brought to the output's size.

    Attributes:
        fit: the requested fit ("auto", "crop", "pad", "stretch", "object").
        placement: how the square was placed: "whole" (the input has the prior's size), "crop", "pad", "stretch",
            "window" (a square inside the input), "face" (a rotated square around a face), or "framed" (the input is a
            part of the answer).
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
        face: the face, with its landmarks in the input, if the placement is "face"; else None.
        alignment: the rotated square in the output, which the answer replaces up to a soft seam; or None.
        ground: the picture that surrounds that square, where it is not ``observed``; or None.
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
    face: Face | None = None
    alignment: Alignment | None = None
    ground: Image.Image | None = None

    @property
    def surroundings(self) -> Image.Image | None:
        """The picture of `output_size` that surrounds the square; None where there is none."""
        return self.ground if self.observed is None else self.observed

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
        around = None if self.surroundings is None else np.asarray(self.surroundings.convert("RGB"))
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
        elif self.alignment is not None:
            self._blend_seam(pixels, around, region)
        return Image.fromarray(pixels)

    def _blend_seam(self, pixels: np.ndarray, around: np.ndarray, region: Box) -> None:
        """Let an answer fade into its surroundings, which stay bit for bit outside of the rotated square, in place.

        Args:
            pixels: the answer, (height, width, 3) uint8.
            around: its surroundings, alike.
            region: the box around the square.
        """
        for left, top, right, bottom in strips(region):
            part = np.s_[top:bottom, left:right]
            share = self.alignment.share((left, top, right, bottom))[..., None]
            pixels[part] = np.rint(around[part] + share * (pixels[part].astype(np.float32) - around[part]))

    def add_to(self, picture: Image.Image, answer: Image.Image) -> None:
        """Lay the answer of a window, as `to_output` returned it, over another answer to the same photograph, in place.

        Args:
            picture: the other answer.
            answer: the answer of this window.
        """
        if self.missing is not None:
            picture.paste(answer, mask=Image.fromarray(self.missing))
        elif self.alignment is not None:
            for box in strips(intersect(self.alignment.box, whole_box(self.output_size))):
                old, new, ground = (
                    np.asarray(one.crop(box).convert("RGB"), np.float32) for one in (picture, answer, self.surroundings)
                )
                mixed = new + (1 - self.alignment.share(box)[..., None]) * (old - ground)
                picture.paste(Image.fromarray(np.rint(mixed.clip(0, 255)).astype(np.uint8)), box[:2])

    @property
    def shown_box(self) -> Box:
        """The part that the square shows of a picture as large as the input would be without its degradation."""
        across, down = (self.box_size[i] / (self.box[i + 2] - self.box[i]) for i in (0, 1))
        left, top, right, bottom = self.box
        return (round(left * across), round(top * down), round(right * across), round(bottom * down))

    def show(self, image: Image.Image) -> Tensor:
        """Return what the square shows of a picture (see ``shown_box``), (1, 3, R, R) in [-1, 1]."""
        if self.alignment is not None:
            return to_tensor(self.alignment.picture(image.convert("RGB"), self.resolution))
        return fit_tensor(image, self.shown_box, self.resolution)

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
        part = torch.from_numpy(result[top:bottom, left:right]).permute(2, 0, 1)[None]
        result[top:bottom, left:right] = enlarged.lay_over(part, box)[0].permute(1, 2, 0).numpy()
        return result

    def _enlarge(self, image: Tensor) -> Enlargement | AlignedPicture:
        """Return the answer enlarged to its place in the output."""
        x = image.detach().to("cpu", torch.float32).reshape(image.shape[-3:])
        if tuple(x.shape[-2:]) != (self.resolution, self.resolution):
            raise InputError(
                f"got an answer of {x.shape[-1]}x{x.shape[-2]}, expected the prior's "
                f"{self.resolution}x{self.resolution}"
            )
        if self.alignment is not None:
            return AlignedPicture.to_size(x, self.alignment)
        corner = (0, 0)
        if self.placement == "window":
            corner = self.box[:2]
        elif self.placement == "pad" and self.output_size != self.box_size:
            corner = tuple(round(self.box[i] * self.box_size[i] / (self.box[i + 2] - self.box[i])) for i in (0, 1))
        return Enlargement.to_size(x, self.box_size, corner)

    def _surround(self, enlarged: Enlargement | AlignedPicture) -> Callable[[Box], Tensor]:
        """Return a function that reads parts of the enlarged answer, surrounded by the observed picture."""

        def read(box: Box) -> Tensor:
            if self.alignment is None and intersect(box, enlarged.box) == box:
                return enlarged.part(box)
            return enlarged.lay_over(read_image(self.surroundings)(box), box)

        return read

    def record(self) -> dict:
        """Return the entry of result.json."""
        return {
            "placed": self.placement,
            "box": list(self.box),
            "input_size": list(self.input_size),
            "size": list(self.output_size),
        } | self.describe_face()

    def describe_face(self) -> dict:
        """Return the entries of result.json about the face: landmarks and square in the input, and the detector."""
        if self.face is None:
            return {}
        return {"face": self.face.record() | {"quad": Alignment.from_face(self.face).record()}}

    def __repr__(self) -> str:
        (wide, high), (across, down) = self.input_size, self.output_size
        side = self.resolution
        return f"Geometry: {wide}x{high} px, {self.placement} {self.box} at {side}x{side}, answer {across}x{down}"
