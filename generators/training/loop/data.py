"""Training data: pictures in class folders."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generators.errors import TrainingError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FORMATS, LARGEST_SIDE = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"), 4096  # pixels


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures with their labels.

    Attributes:
        pixels: (N, 3, R, R) uint8, sorted by class and name.
        labels: (N,) int64.
        classes: names of the classes.
        sha256: of pixels and labels.
    """

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    sha256: str

    @property
    def side(self) -> int:
        return self.pixels.shape[-1]

    def __len__(self) -> int:
        return len(self.pixels)

    def to(self, device: torch.device) -> Pictures:
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))

    def draw(self, classes: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw a random picture of each class of ``classes`` (rows,).

        Returns:
            (indices, whether each is mirrored), (rows,) each, on the CPU.
        """
        order, counts = self._by_class
        within, flip = torch.rand(2, len(classes), generator=random, dtype=torch.float64)
        first = (counts.cumsum(0) - counts)[classes]
        return order[first + (within * counts[classes]).long()], flip < 0.5

    def take(self, numbers: Tensor, mirrored: Tensor) -> Tensor:
        """Return pictures (rows, 3, R, R) in [-1, 1] by index, mirrored where asked.

        Both arguments are on the device of the pixels.
        """
        x = self.pixels[numbers].float() / 127.5 - 1
        return torch.where(mirrored[:, None, None, None], x.flip(3), x)

    @functools.cached_property
    def _by_class(self) -> tuple[Tensor, Tensor]:
        """(Indices of all pictures, class after class; number of pictures in each class.)"""
        labels = self.labels.cpu()
        return labels.argsort(stable=True), labels.bincount(minlength=len(self.classes))


def read_pictures(source: Path) -> Pictures:
    """Read pictures from a folder or zip archive of ``.../class/file``. Raises TrainingError."""
    if not source.exists():
        raise TrainingError(f"{source}: no such file or folder; expected pictures in class folders, or a zip of them")
    found = sorted(_folder(source) if source.is_dir() else _archive(source), key=lambda entry: entry[0])
    named = [(PurePosixPath(name).parent.name, name, data) for name, data in found]
    if not named or not all(folder for folder, _, _ in named):
        raise TrainingError(f"{source}: expected pictures ({', '.join(SUFFIXES)}) in folders named after their classes")
    classes = tuple(sorted({folder for folder, _, _ in named}))
    named.sort(key=lambda entry: entry[:2])
    pixels = [_pixels(data, f"{source}: {name}") for _, name, data in named]
    if len(shapes := {value.shape for value in pixels}) > 1 or pixels[0].shape[0] != pixels[0].shape[1]:
        sizes = ", ".join(f"{w}x{h}" for h, w, _ in sorted(shapes)[:3])
        raise TrainingError(f"{source}: holds pictures of {sizes}, expected squares of one size; resize them first")
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2)
    labels = torch.tensor([classes.index(folder) for folder, _, _ in named])
    own = hashlib.sha256(stacked.permute(0, 2, 3, 1).numpy().tobytes() + labels.numpy().tobytes())
    return Pictures(stacked, labels, classes, own.hexdigest())


def _folder(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in source.rglob("*"):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield path.relative_to(source).as_posix(), path.read_bytes()


def _archive(source: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                if name.lower().endswith(SUFFIXES):
                    yield name, archive.read(name)
    except zipfile.BadZipFile:
        raise TrainingError(
            f"{source}: is not a zip archive; expected one of class folders, or a folder of them"
        ) from None


def _pixels(data: bytes, name: str) -> np.ndarray:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if max(image.size) > LARGEST_SIDE:
            raise ValueError
        return np.asarray(image.convert("RGB"))
    except Exception:  # decoders raise errors of many types for damaged data
        raise TrainingError(f"{name}: cannot be read as a picture; remove it, or get it again") from None
