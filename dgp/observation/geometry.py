"""Between a photograph of any size and the square that a prior knows.

Boxes are (left, top, right, bottom) in the pixels of the input; a padded one reaches beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degradations import Degradation
from dgp.errors import InputError
from dgp.observation.images import MAX_PIXELS, to_pil, to_tensor

FITS = ("auto", "crop", "pad", "stretch", "object")
# Pillow's, antialiased: what the published code brings its pictures to the network's resolution with.
FILTER = Image.Resampling.BILINEAR

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the prior's square lies in the input, and how an answer comes to the input's own size.

    fit: as asked ("auto", "crop", "pad", "stretch", "object").
    placed: what was done: "whole" (nothing to do), "crop", "pad", "stretch", "window" or "framed" (the input is a part
        of the answer).
    resolution: R of the prior.  full: (width, height) of the input.  box: what the square shows of it.
    shown: (width, height) of the box in the answer: its own, or larger by a super-resolution's factor.
    out: (width, height) of the answer.
    seen: the input as an 8-bit picture of size `out`; None where it has another size than the answer.
    operator: the pointwise degradation at size `out`, whose `merge` keeps what `seen` tells; or None.
    missing: (height, width) bool: only these pixels of `seen` change, all others stay bit for bit; or None.
    used: the part of the input that was used, where it was framed.
    """

    fit: str
    placed: str
    resolution: int
    full: tuple[int, int]
    box: Box
    shown: tuple[int, int]
    out: tuple[int, int]
    seen: Image.Image | None = None
    operator: Degradation | None = None
    missing: np.ndarray | None = None
    used: Box | None = None

    def restore(self, image: Tensor) -> Image.Image:
        """An answer (3, R, R) or (1, 3, R, R) in [-1, 1] as a picture of size `out`."""
        x = self._shown(image)
        if self.missing is not None:
            return self._filled(x)
        if self.placed == "window" and self.seen is not None:
            x = self._surrounded(x)
        return to_pil(x) if self.operator is None else self._merged(x)

    def laid(self, image: Tensor, around: np.ndarray) -> np.ndarray:
        """(height, width, c) of size `out`: an answer (c, R, R) in [-1, 1] as it is; `around` where it does not
        reach."""
        result = np.array(around, np.float32)
        result[self._place] = self._shown(image)[0].permute(1, 2, 0).numpy()
        return result

    def _surrounded(self, x: Tensor) -> Tensor:
        """(1, 3, height, width) of size `out`: what the square shows, amid what was seen."""
        around = to_tensor(self.seen.convert("RGB"))
        around[..., self._place[0], self._place[1]] = x
        return around

    @property
    def _place(self) -> tuple[slice, slice]:
        """Rows and columns of the answer's picture that the square shows."""
        return np.s_[self.box[1] : self.box[3], self.box[0] : self.box[2]] if self.placed == "window" else np.s_[:, :]

    def _shown(self, image: Tensor) -> Tensor:
        """(1, c, height, width) of what the square shows of the answer's picture."""
        x = image.detach().to("cpu", torch.float32).reshape(1, *image.shape[-3:])
        if tuple(x.shape[-2:]) != (self.resolution, self.resolution):
            raise InputError(
                f"got an answer of {x.shape[-1]}x{x.shape[-2]}, expected the prior's "
                f"{self.resolution}x{self.resolution}"
            )
        if tuple(x.shape[-2:]) != self.shown[::-1]:
            x = F.interpolate(x, size=self.shown[::-1], mode="bicubic", antialias=True, align_corners=False)
        x = x.clamp(-1, 1)
        if self.placed == "pad" and self.out != self.shown:
            left, top = (round(-self.box[i] * self.shown[i] / (self.box[i + 2] - self.box[i])) for i in (0, 1))
            x = x[..., top : top + self.out[1], left : left + self.out[0]]
        return x

    def _merged(self, x: Tensor) -> Image.Image:
        """Pixel by pixel, so in strips: a photograph in float64 is large. A mask fits its one size only."""
        height, width = x.shape[-2:]
        rows = height if self.operator.unobserved((height, width)) is not None else max(1, 2**20 // width)
        result = Image.new("RGB", (width, height))
        for top in range(0, height, rows):
            strip = self.seen.crop((0, top, width, min(top + rows, height)))
            part = self.operator.merge(x[..., top : top + rows, :], self.operator.read(strip))
            result.paste(to_pil(part), (0, top))
        return result

    def _filled(self, x: Tensor) -> Image.Image:
        pixels = np.array(self.seen.convert("RGB"))
        hole = self.missing[self._place]
        pixels[self._place][hole] = np.asarray(to_pil(x))[hole]
        return Image.fromarray(pixels)

    def record(self) -> dict:
        """What a result file says about it."""
        return {
            "placed": self.placed,
            "box": list(self.box),
            "input_size": list(self.full),
            "size": list(self.out),
        }

    def __repr__(self) -> str:
        (wide, high), (across, down) = self.full, self.out
        side = self.resolution
        return f"Geometry: {wide}x{high} px, {self.placed} {self.box} at {side}x{side}, answer {across}x{down}"


def whole_box(size: tuple[int, int]) -> Box:
    return (0, 0, *size)


def crop_box(size: tuple[int, int]) -> Box:
    """The centred square; the odd pixel falls as in torchvision's centre crop, as published."""
    width, height = size
    side = min(size)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return (left, top, left + side, top + side)


def pad_box(size: tuple[int, int]) -> Box:
    """The smallest centred square around the picture. InputError when that is too large to be made."""
    width, height = size
    side = max(size)
    if side * side > MAX_PIXELS:
        raise InputError(
            f"got {width}x{height} pixels, which padding would make {side}x{side}; use --fit crop or stretch"
        )
    left, top = -((side - width) // 2), -((side - height) // 2)
    return (left, top, left + side, top + side)


def window_box(missing: np.ndarray, resolution: int) -> Box | None:
    """A square around all that is missing (height, width), as large as the prior's and twice the hole's
    extent where the picture allows; None when no square can hold the hole and something around it."""
    box = box_around(missing, resolution, 2)
    return None if box is None or cut(missing, box).mean() > 0.75 else box


def box_around(marked: np.ndarray, resolution: int, room: float) -> Box | None:
    """A square around all that is marked (height, width), as large as the prior's and ``room`` times its extent where
    the picture allows; None when no square can hold it."""
    rows, columns = np.flatnonzero(marked.any(1)), np.flatnonzero(marked.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    height, width = marked.shape
    extent = int(max(bottom - top, right - left))
    side = min(max(round(room * extent), resolution), height, width)
    if extent > side:
        return None
    x = int(np.clip((left + right - side) // 2, 0, width - side))
    y = int(np.clip((top + bottom - side) // 2, 0, height - side))
    return (x, y, x + side, y + side)


def cut(array: np.ndarray, box: Box) -> np.ndarray:
    """(H, W[, C]) -> what the box shows of it, mirrored where it reaches beyond."""
    left, top, right, bottom = box
    height, width = array.shape[:2]
    beyond = ((max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width)))
    inside = array[max(0, top) : bottom, max(0, left) : right]
    if any(map(any, beyond)):
        inside = np.pad(inside, beyond + ((0, 0),) * (array.ndim - 2), mode="reflect")
    return inside


def fitted(image: Image.Image, box: Box, size: tuple[int, int], missing: np.ndarray | None = None) -> Image.Image:
    """What the box shows of an 8-bit picture, at `size` (width, height).

    missing (H, W) bool: pixels whose stored colour means nothing; it does not leak into the others.
    """
    pixels = cut(np.asarray(image), box)
    if pixels.shape[1::-1] == tuple(size):
        return Image.fromarray(np.ascontiguousarray(pixels))
    if missing is None:
        return Image.fromarray(np.ascontiguousarray(pixels)).resize(size, FILTER)
    seen = (~cut(missing, box)).astype(np.float32)
    weight = _resized(seen, size)
    bands = pixels[..., None] if pixels.ndim == 2 else pixels
    mixed = [
        np.where(weight > 1e-6, _resized(band * seen, size) / np.maximum(weight, 1e-6), 127.5)
        for band in np.moveaxis(bands, -1, 0).astype(np.float32)
    ]
    result = np.rint(np.clip(np.stack(mixed, -1), 0, 255)).astype(np.uint8)
    return Image.fromarray(result[..., 0] if pixels.ndim == 2 else result)


def fitted_mask(missing: np.ndarray, box: Box, size: tuple[int, int]) -> np.ndarray:
    """What the box shows of a mask (H, W), at `size` (width, height): missing is what has any missing source.

    Where that would hide nearly everything (scattered pixels of a large photograph): half of its source.
    """
    inside = cut(missing, box)
    if inside.shape[::-1] == tuple(size):
        return np.ascontiguousarray(inside)
    mask = inside
    for axis, n in enumerate(size[::-1]):
        edges = np.arange(n + 1) * mask.shape[axis] / n
        first, last = np.floor(edges[:-1] + 1e-9).astype(int), np.ceil(edges[1:] - 1e-9).astype(int)
        counts = np.insert(np.cumsum(mask, axis=axis), 0, 0, axis=axis)
        mask = counts.take(last, axis=axis) > counts.take(first, axis=axis)
    if mask.mean() > 0.75 >= inside.mean():
        share = Image.fromarray(inside.astype(np.float32)).resize(size, Image.Resampling.BOX)
        mask = np.asarray(share) >= 0.5
    return mask


def tensor_at(image: Image.Image, box: Box, resolution: int) -> Tensor:
    """(1, 3, R, R) in [-1, 1] of what the box shows of an 8-bit picture."""
    return to_tensor(fitted(image, box, (resolution, resolution)).convert("RGB"))


def _resized(band: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(np.ascontiguousarray(band, np.float32)).resize(size, FILTER))
