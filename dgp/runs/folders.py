"""The folders that runs are saved in: their names, and a check that no input is replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path, PurePath

from dgp.errors import OutputError
from dgp.output.run_folder import existing_files


def name_folders(paths: Sequence[PurePath], taken: Iterable[str] = ()) -> list[str]:
    """Return the name of each picture's folder: its path without suffix, or with -2, -3, ... if that is taken.

    Args:
        paths: the pictures, relative to the folder whose structure is kept; of absolute paths, and of paths that lead
            out of their folder, only the last part counts.
        taken: names that no folder may get.
    """
    # Names that differ only in the case of letters are one folder on some file systems.
    used, numbers, names = {name.casefold() for name in taken}, {}, []
    for path in paths:
        if path.is_absolute() or ".." in path.parts:
            path = PurePath(path.name)
        stem = "picture" if path.stem in ("", ".", "..") else path.stem  # those would lead out of the output folder
        base = (path.parent / stem).as_posix().replace("\0", "_")  # the picture is refused, and says so in its folder
        for number in numbers.setdefault(base, count(1)):
            name = base if number == 1 else f"{base}-{number}"
            if name.casefold() not in used:
                break
        used.add(name.casefold())
        names.append(name)
    return names


def refuse_overwriting_inputs(folder: Path, inputs: Sequence[str | Path | None]) -> None:
    """Raise OutputError if saving a run into a folder would replace a file that the run reads.

    Args:
        folder: the folder of the run.
        inputs: the files that it reads, such as a corrected mask.png of an earlier run; None is ignored.
    """
    read = {Path(path).resolve() for path in inputs if path is not None}
    for path in existing_files(folder):
        if path.resolve() in read:
            raise OutputError(
                f"{path} is read by this run and would be replaced by its results; move it, or choose another folder "
                "with -o"
            )
