"""The files of public feature networks: whether they are there, and are what was published."""

from __future__ import annotations

import functools
from pathlib import Path

from dgp.files import sha256_of
from generators.model_zoo import PUBLIC


def explain_absence(entry: str, folder: Path) -> str | None:
    """Return why the first file of an entry cannot be used, in a few words; None if it is there and undamaged.

    Args:
        entry: a name in the table of published weights.
        folder: where the file is looked for.
    """
    published = PUBLIC[entry].files[0]
    path = folder / published.name
    if not path.is_file():
        return f"{published.name} is not here, and nothing is downloaded by itself (`dgp priors fetch {entry}` gets it)"
    at = path.stat()
    if not _sha256(path, at.st_size, at.st_mtime_ns).startswith(published.sha256_prefix):
        return f"{path} is damaged: its sha256 is not the published one (remove it, then `dgp priors fetch {entry}`)"
    return None


@functools.cache
def _sha256(path: Path, size: int, modified: int) -> str:
    """Return the sha256 of a file; size and time of modification key the cache."""
    return sha256_of(path)
