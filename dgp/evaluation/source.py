"""Clean pictures from a folder or a zip archive; the name of a picture's folder is its class."""

from __future__ import annotations

import os
import struct
import zipfile
from dataclasses import dataclass
from itertools import count as naturals
from pathlib import Path, PurePosixPath

from degradations.files.decoding import MAX_PIXELS
from dgp.errors import InputError
from dgp.observation.folders import picture_suffixes
from dgp.observation.images import Picture, decode_picture, open_picture
from generators.text import pluralise, shorten

LARGEST_FILE = 256 * 2**20  # bytes of a file in an archive, to refuse archives that would fill the memory


@dataclass(frozen=True)
class CleanPicture:
    """A clean picture.

    Attributes:
        name: its path in the source.
        folder: the name of its folder, "" at the top level.
        picture: the opened picture.
        sha256: sha256 of the file.
    """

    name: str
    folder: str
    picture: Picture
    sha256: str

    def __repr__(self) -> str:
        return f"Clean({shorten(self.name, 200)}, {self.picture.size[0]}x{self.picture.size[1]} px)"


class Source:
    """The pictures in a folder or a zip archive, sorted by name.

    Raises:
        InputError: the folder or archive does not exist, or contains no picture.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.is_dir():
            found = (p.relative_to(self.path).as_posix() for p in self.path.rglob("*") if p.is_file())
        elif not os.path.isfile(self.path):
            raise InputError(f"{path}: no such folder or zip archive; expected one of clean pictures")
        else:
            try:
                with zipfile.ZipFile(self.path) as archive:
                    found = [name for name in archive.namelist() if not name.endswith("/")]
            except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error):
                raise InputError(
                    f"{path}: got a file that is not a zip archive; expected a folder or a zip archive of pictures"
                ) from None
        self.names = sorted(name for name in found if name.lower().endswith(picture_suffixes()) and not _hidden(name))
        if not self.names:
            raise InputError(f"{path}: no pictures in it; expected files that end in {', '.join(picture_suffixes())}")

    def choose(self, count: int | None = None, per_class: int | None = None) -> list[str]:
        """Return the names of a sample of the pictures.

        Within a folder, the sorted names are taken in the order of van der Corput (the first, the middle, the
        quarters, ...), so that a larger sample contains every smaller one.

        Args:
            count: how many pictures, spread evenly over the folders; None: all.
            per_class: how many pictures from each folder; None: see `count`.

        Raises:
            InputError: there are not so many pictures.
        """
        folders: dict[str, list[str]] = {}
        for name in self.names:
            folders.setdefault(_folder(name), []).append(name)
        spread = {folder: [names[i] for i in van_der_corput(len(names))] for folder, names in folders.items()}
        if per_class is not None:
            short = {folder: len(names) for folder, names in spread.items() if len(names) < per_class}
            if short:
                folder, has = next(iter(short.items()))
                raise InputError(
                    f"{self.path}: got --per-class {per_class}, but {folder or 'its top level'} has {has} pictures"
                )
            return [name for names in spread.values() for name in names[:per_class]]
        if count is not None and count > len(self.names):
            raise InputError(f"{self.path}: got --count {count}, but it has {len(self.names)} pictures")
        # The first of each folder, then the second of each, and so on, so that any count is as even as possible.
        turns = sorted((index, folder) for folder, names in spread.items() for index in range(len(names)))
        return [spread[folder][index] for index, folder in turns[:count]]

    def open(self, names: list[str], max_pixels: int = MAX_PIXELS) -> list[CleanPicture]:
        """Open the pictures of these names. Raises InputError for one that cannot be read, or has too many pixels."""
        if self.path.is_dir():
            opened = [open_picture(self.path / name, max_pixels) for name in names]
            return [
                CleanPicture(name, _folder(name), picture, picture.sha256)
                for name, picture in zip(names, opened, strict=True)
            ]
        with zipfile.ZipFile(self.path) as archive:
            return [self._open_member(archive, name, max_pixels) for name in names]

    def _open_member(self, archive: zipfile.ZipFile, name: str, max_pixels: int) -> CleanPicture:
        where = f"{self.path}: {name}"
        member = archive.getinfo(name)
        if member.file_size > LARGEST_FILE:
            raise InputError(f"{where}: more than {LARGEST_FILE >> 20} MiB; expected a picture")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may ask for any memory
            raise InputError(f"{where}: packed in an unusual way; expected a zip archive, stored or deflated")
        try:
            data = archive.read(name)
        except Exception as error:  # damaged archives raise errors of many types
            raise InputError(f"{where}: cannot be unpacked ({error}); get the archive again") from error
        picture = decode_picture(data, where, max_pixels)
        return CleanPicture(name, _folder(name), picture, picture.sha256)

    def __repr__(self) -> str:
        return f"Source {shorten(str(self.path), 200)}: {pluralise(len(self.names), 'picture')}"


def van_der_corput(n: int) -> list[int]:
    """Return 0, ..., n - 1 in an order of which every initial part is spread evenly (van der Corput 1935)."""
    order: dict[int, None] = {}
    for i in naturals():
        if len(order) == n:
            return list(order)
        digits = f"{i:b}"[::-1]
        order.setdefault(int(n * int(digits, 2) / 2 ** len(digits)))
    raise AssertionError("the naturals do not end")


def _folder(name: str) -> str:
    return PurePosixPath(name).parent.name


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
