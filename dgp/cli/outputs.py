"""Which files a command may write: never one that nobody named, and never one that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dgp.errors import OutputError


def resolve_png_path(given: Path | None, usual: str) -> Path:
    """Return the file to write: the one of -o, or in this folder the usual one.

    Raises OutputError where that would replace a file that nobody named.
    """
    if given is None and Path(usual).exists():
        raise OutputError(f"{usual} already exists; name the file to write with -o (-o {usual} replaces it)")
    return given or Path(usual)


def refuse_overwriting_inputs(folder: Path, read: Sequence[str | Path | None]) -> None:
    """Raise OutputError where saving a run into a folder would replace a file that it reads.

    Args:
        read: the files, such as the mask.png of an earlier run that was corrected; None: no file.
    """
    from dgp.output.run_folder import existing_files

    inputs = {Path(path).resolve() for path in read if path is not None}
    for path in existing_files(folder):
        if path.resolve() in inputs:
            raise OutputError(
                f"{path} is read by this run and would be replaced by its results; move it, or choose another folder "
                "by -o"
            )
