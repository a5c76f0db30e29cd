"""The pictures of a batch: of folders with their subfolders, patterns, files and lists of paths."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

from degradations.files.regular import read_regular
from dgp.batch.unit import Source, Unit
from dgp.errors import InputError
from dgp.observation.folders import picture_suffixes
from dgp.runs.folders import name_folders

BATCH_FILE, UNITS_FILE, FAILED_FILE = "batch.json", "units.jsonl", "failed.json"
RESERVED = (BATCH_FILE, UNITS_FILE, FAILED_FILE, "result.json", "solutions")  # no names for folders of units


def find_sources(inputs: Iterable[str], output: Path) -> list[Source]:
    """Return the pictures of the inputs, in their order; those of a folder or a pattern are sorted by path.

    Args:
        inputs: each a folder, whose subfolders are searched; a pattern (``*``, ``?``, ``[...]``; ``**`` for any
            folders); a picture; or ``@FILE``, a list of paths. Hidden files and folders are left out.
        output: the folder of the results, which is not searched.

    Raises:
        InputError: there is no such file or folder, or no picture is found.
    """
    found = [source for text in inputs for source in _expand(text, output)]
    if not found:
        raise InputError("got no pictures; name pictures, folders, patterns in quotes, or a list (@FILE)")
    return found


def read_list(path: str) -> list[Source]:
    """Return the pictures of a text file with one path on each line; blank lines and lines with # are left out.

    Raises:
        InputError: the file cannot be read.
    """
    lines = enumerate(read_text(path).splitlines(), 1)
    return [
        Source(line.strip(), PurePath(line.strip()).name, where=f"{path}, line {number}")
        for number, line in lines
        if line.strip() and not line.startswith("#")
    ]


def read_text(path: str) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_regular(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read: {reason}; expected a text file in UTF-8") from error


def number_units(sources: Sequence[Source]) -> list[Unit]:
    """Return the units of sources, numbered from 1, each with a folder of its own.

    Raises:
        InputError: two sources ask for the same folder.
    """
    asked: dict[str, str] = {}
    for source in sources:
        if source.output is not None:
            if source.output in asked:
                raise InputError(
                    f"{source.where}: output {source.output!r} is that of {asked[source.output]} already; "
                    "give each picture an output of its own"
                )
            asked[source.output] = source.where
    places = [PurePath(source.place) for source in sources if source.output is None]
    names = iter(name_folders(places, taken=(*RESERVED, *asked)))
    return [
        Unit(number, source.picture, next(names) if source.output is None else source.output, source.own)
        for number, source in enumerate(sources, 1)
    ]


def _expand(text: str, output: Path) -> list[Source]:
    if text.startswith("@") and not os.path.lexists(text):
        return read_list(text[1:])
    if os.path.isdir(text):
        return _sources(text, _walk(text, output), f"{text}: got a folder without pictures")
    if not os.path.lexists(text) and glob.has_magic(text):
        paths = sorted(path for path in glob.iglob(text, recursive=True) if os.path.isfile(path))
        base = os.path.dirname(text[: min(text.index(mark) for mark in "*?[" if mark in text)])
        inside = [path for path in paths if is_picture(path) and not _is_within(path, output)]
        return _sources(base or os.curdir, inside, f"{text}: no picture matches the pattern")
    if not os.path.lexists(text):
        raise InputError(f"{text}: no such file or folder; expected a picture, a folder, a pattern or @LIST")
    return [Source(text, PurePath(text).name, where=text)]


def _sources(base: str, paths: Iterable[str], none: str) -> list[Source]:
    found = [Source(path, os.path.relpath(path, base), where=path) for path in paths]
    if not found:
        raise InputError(f"{none}; expected files that end in {', '.join(picture_suffixes())}")
    return found


def is_picture(path: str) -> bool:
    """Return whether a file name is that of a picture, and not hidden."""
    name = os.path.basename(path)
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in picture_suffixes()


def _walk(folder: str, output: Path) -> Iterator[str]:
    """Yield the pictures of a folder and its subfolders, sorted by path; links to folders are not followed."""

    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read: {error.strerror}; check its permissions") from error

    for here, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _is_within(os.path.join(here, name), output)
        )
        if here == folder and _is_within(here, output):
            raise InputError(f"{folder} is the output folder; name the pictures, or another folder with -o")
        yield from (os.path.join(here, name) for name in sorted(files) if is_picture(name))


def _is_within(path: str, folder: Path) -> bool:
    """Return whether a path is a folder or lies in it."""
    full, top = os.path.abspath(path), os.path.abspath(folder)
    return full == top or full.startswith(top + os.sep)
