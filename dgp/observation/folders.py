"""The pictures in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from degradations.files.decoding import FORMATS
from dgp.errors import InputError


def picture_suffixes() -> tuple[str, ...]:
    """Return the suffixes, in lower case, of the files that `open_picture` reads."""
    return tuple(sorted(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS))


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures directly in a folder, sorted by name, without hidden files and subfolders.

    Raises:
        InputError: there are none, or the folder cannot be read.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}; check its permissions") from error
    found = [path for path in files if path.suffix.lower() in picture_suffixes()]
    if not found:
        raise InputError(
            f"{folder}: got a folder without pictures, expected files that end in {', '.join(picture_suffixes())}; "
            "its subfolders are not searched"
        )
    return found


def expand_folders(paths: Iterable[Path]) -> list[Path]:
    """Return paths with each folder replaced by its pictures (``list_pictures``)."""
    return [path for place in paths for path in (list_pictures(place) if place.is_dir() else [place])]
