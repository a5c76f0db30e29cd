"""Folders of pictures: which of their files are meant."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from degradations.files.pictures import FORMATS
from dgp.errors import InputError


def endings() -> tuple[str, ...]:
    """Return the suffixes, in small letters, of the files that `open_picture` reads."""
    return tuple(sorted(ending for ending, kind in Image.registered_extensions().items() if kind in FORMATS))


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures that lie in a folder itself, sorted by name; hidden files and subfolders are left out.

    Raises InputError: there are none, or the folder cannot be read.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}; check its permissions") from error
    found = [path for path in files if path.suffix.lower() in endings()]
    if not found:
        raise InputError(
            f"{folder}: got a folder without pictures, expected files that end in {', '.join(endings())}; "
            "those in its subfolders are not looked at"
        )
    return found
