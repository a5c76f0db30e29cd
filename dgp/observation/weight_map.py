"""Weight maps: how much each pixel of a picture counts in the losses, such as an object's mask."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations.files.decoding import MAX_PIXELS
from dgp.errors import InputError
from dgp.files import sha256_of
from dgp.observation.boxes import Box, box_around
from dgp.observation.images import Picture, flatten, open_picture

# Side of the square around an object over the object's extent: BigGAN's objects fill 0.83 of its pictures (see
# ``dgp.variables.spatial_transform``).
SCALE = 1.2


@dataclass(frozen=True, eq=False)
class WeightMap:
    """The weight of each pixel of an input: 1 (white) counts fully, 0 (black) not at all.

    Huh et al. (2020), in their examples, clamp an object's mask to [0.3, 1], so that its surroundings count a little;
    for that, paint them grey instead of black.

    Attributes:
        values: (H, W) float32 in [0, 1], at the input's size.
        path: the file, or None.
    """

    values: np.ndarray
    path: str | None

    @property
    def sha256(self) -> str:
        """The sha256 of the size and the values."""
        return sha256_of(f"{self.values.shape}".encode() + np.ascontiguousarray(self.values).tobytes())

    def object_box(self, resolution: int) -> Box | None:
        """Return the square around the object, in which the object is as large as in pictures of BigGAN (``SCALE``).

        The object is where the weight exceeds half of its largest value.

        Args:
            resolution: the smallest side of the square in pixels.

        Returns:
            The box, or None if no square inside the input holds the object.
        """
        return box_around(self.values > self.values.max() / 2, resolution, SCALE)

    def crop(self, box: Box) -> np.ndarray:
        """Return the weights in a box, (height, width) float32, with 0 beyond the edges of the input."""
        left, top, right, bottom = box
        height, width = self.values.shape
        cropped = np.zeros((bottom - top, right - left), np.float32)
        inside = np.s_[max(0, top) : min(bottom, height), max(0, left) : min(right, width)]
        target = np.s_[
            inside[0].start - top : inside[0].stop - top,
            inside[1].start - left : inside[1].stop - left,
        ]
        cropped[target] = self.values[inside]
        return cropped

    def fit_box(self, box: Box, size: tuple[int, int]) -> Tensor:
        """Return the weights in a box, resized by averaging areas.

        Args:
            box: the part of the input.
            size: (width, height) of the result.

        Returns:
            (1, 1, height, width) float32 in [0, 1].

        Raises:
            InputError: all weights in the box are 0.
        """
        cropped = self.crop(box)
        if cropped.shape[::-1] != tuple(size):
            cropped = np.asarray(Image.fromarray(cropped).resize(size, Image.Resampling.BOX))
        if not cropped.any():
            raise InputError("the weight is black in the part of the picture that is used; use --fit stretch or pad")
        return torch.from_numpy(np.array(cropped, np.float32)).clamp(0, 1)[None, None]

    def __repr__(self) -> str:
        height, width = self.values.shape
        return f"WeightMap {self.path or ''}: {width}x{height} px, mean weight {float(self.values.mean()):.2f}"


def open_weight(
    source: str | os.PathLike | Image.Image | np.ndarray | Tensor | Picture, size: tuple[int, int]
) -> WeightMap:
    """Return a WeightMap from a picture or a tensor.

    Args:
        source: a tensor (H, W), (1, H, W) or (1, 1, H, W) of floats in [0, 1]; or a picture as `open_picture` takes it.
            The weight is the alpha channel if the picture has transparent pixels, such as a cut-out object, else the
            luma.
        size: (width, height) of the input.

    Raises:
        InputError: it cannot be read, has another size, or is 0 everywhere.
    """
    path = str(Path(source)) if isinstance(source, str | os.PathLike) else None
    if isinstance(source, Tensor):
        values = _read_tensor(source)
    else:  # of the picture's size, so that its number of pixels is accepted
        values = _read_picture(open_picture(source, max(MAX_PIXELS, size[0] * size[1])))
    name = f"the weight {path}" if path else "the weight"
    if values.shape[::-1] != tuple(size):
        raise InputError(
            f"{name} is {values.shape[1]}x{values.shape[0]} and the picture {size[0]}x{size[1]} (width x height); "
            "give a weight of the picture's size"
        )
    if not values.any():
        raise InputError(f"{name} is entirely black, so that no pixel counts; paint the parts that matter white")
    return WeightMap(values, path)


def _read_picture(picture: Picture) -> np.ndarray:
    image, alpha = flatten(picture)
    transparent = alpha is not None and alpha.getextrema()[0] < 255
    return np.asarray(alpha if transparent else image.convert("L"), np.float32) / 255


def _read_tensor(tensor: Tensor) -> np.ndarray:
    x = tensor.detach().cpu()
    if x.ndim < 2 or x.numel() != x.shape[-1] * x.shape[-2] or not x.numel():
        raise InputError(f"got a weight of shape {tuple(x.shape)}, expected (H, W), (1, H, W) or (1, 1, H, W)")
    values = x.reshape(x.shape[-2:]).to(torch.float32).numpy()
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InputError("got a weight with values outside [0, 1]; 1 counts fully, 0 not at all")
    return values
