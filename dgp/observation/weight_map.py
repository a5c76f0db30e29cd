"""How much each pixel of an observation counts: a map of the input's size, such as an object's mask."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dgp.errors import InputError
from dgp.files import sha256_of
from dgp.observation.geometry import Box, box_around
from dgp.observation.images import Picture, flatten, open_picture

ROOM = 1.2  # of a square around an object, over the object: BigGAN's objects fill 0.83 of theirs (``dgp.variables.spatial_transform``)


@dataclass(frozen=True, eq=False)
class WeightMap:
    """values: (H, W) float32 in [0, 1], at the input's size.  sha256: of size and values.  path: of the file, or None.

    White counts fully, black not at all. Published: an object's mask clamped to [0.3, 1], so that its surroundings
    count a little (Huh et al. 2020, its examples); paint them grey for that.
    """

    values: np.ndarray
    path: str | None

    @property
    def sha256(self) -> str:
        return sha256_of(f"{self.values.shape}".encode() + np.ascontiguousarray(self.values).tobytes())

    def square(self, resolution: int) -> Box | None:
        """The square in which what counts more than half of what counts most lies as BigGAN's objects do (``ROOM``),
        of at least ``resolution`` pixels; None where the input holds no such square."""
        return box_around(self.values > self.values.max() / 2, resolution, ROOM)

    def within(self, box: Box) -> np.ndarray:
        """(height, width) of what the box shows; what lies beyond the input counts nothing."""
        left, top, right, bottom = box
        height, width = self.values.shape
        shown = np.zeros((bottom - top, right - left), np.float32)
        inside = np.s_[max(0, top) : min(bottom, height), max(0, left) : min(right, width)]
        place = np.s_[
            inside[0].start - top : inside[0].stop - top,
            inside[1].start - left : inside[1].stop - left,
        ]
        shown[place] = self.values[inside]
        return shown

    def fitted(self, box: Box, size: tuple[int, int]) -> Tensor:
        """(1, 1, h, w): what the box shows at ``size`` (width, height), each value the mean of its area.

        InputError: nothing there counts.
        """
        shown = self.within(box)
        if shown.shape[::-1] != tuple(size):
            shown = np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BOX))
        if not shown.any():
            raise InputError("the weight is black in the part of the picture that is used; use --fit stretch or pad")
        return torch.from_numpy(np.array(shown, np.float32)).clamp(0, 1)[None, None]

    def __repr__(self) -> str:
        height, width = self.values.shape
        return f"WeightMap {self.path or ''}: {width}x{height} px, mean weight {float(self.values.mean()):.2f}"


def open_weight(source: str | os.PathLike | Image.Image | np.ndarray | Tensor | Picture, size: tuple[int, int]):
    """A WeightMap for an input of ``size`` (width, height).

    source: a tensor (H, W), (1, H, W) or (1, 1, H, W) of floats in [0, 1], or a picture (path, PIL image, or array as
    pictures are): of one with transparent pixels, such as a cut-out object, the alpha counts, of others the luma.

    Raises InputError: unreadable, of another size, or nothing counts.
    """
    path = str(Path(source)) if isinstance(source, str | os.PathLike) else None
    values = _of_tensor(source) if isinstance(source, Tensor) else _of_picture(open_picture(source))
    name = f"the weight {path}" if path else "the weight"
    if values.shape[::-1] != tuple(size):
        raise InputError(
            f"{name} is {values.shape[1]}x{values.shape[0]} and the picture {size[0]}x{size[1]} (width x height); "
            "give a weight of the picture's size"
        )
    if not values.any():
        raise InputError(f"{name} is entirely black, so that nothing counts; paint white what shall count")
    return WeightMap(values, path)


def _of_picture(picture: Picture) -> np.ndarray:
    image, alpha = flatten(picture)
    transparent = alpha is not None and alpha.getextrema()[0] < 255
    return np.asarray(alpha if transparent else image.convert("L"), np.float32) / 255


def _of_tensor(tensor: Tensor) -> np.ndarray:
    x = tensor.detach().cpu()
    if x.ndim < 2 or x.numel() != x.shape[-1] * x.shape[-2] or not x.numel():
        raise InputError(f"got a weight of shape {tuple(x.shape)}, expected (H, W), (1, H, W) or (1, 1, H, W)")
    values = x.reshape(x.shape[-2:]).to(torch.float32).numpy()
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InputError("got a weight with values outside [0, 1]; 1 counts fully, 0 not at all")
    return values
