"""Checks of the zip archives that torch writes: uncompressed entries, one central directory, nothing after it.

Readers of zip files search for the directory in different ways, so that one reader could check an archive and another
use a different one. Only files with a single possible directory are therefore accepted.
"""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

from generators.errors import WeightsError

END, LOCATOR, END64 = struct.Struct("<4s4H2IH"), struct.Struct("<4sIQI"), struct.Struct("<4sQ2H2I4Q")
MOST_ENTRIES = 100_000
LARGEST_DIRECTORY = 2**25  # bytes


def check_archive(path: Path, size: int) -> None:
    """Raise WeightsError for an archive that torch would not have written, before anything is unpacked."""
    if not _has_one_directory(path, size):
        raise WeightsError(f"{path}: damaged, or not an archive that PyTorch wrote; get it again")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error):
        raise WeightsError(f"{path}: damaged, or not an archive that PyTorch wrote; get it again") from None
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size for entry in entries):
        raise WeightsError(f"{path}: unpacks to more than the file holds, which PyTorch never writes; do not trust it")
    if sum(entry.file_size for entry in entries) > size:
        raise WeightsError(f"{path}: unpacks to more than the file holds, which PyTorch never writes; do not trust it")
    names = [entry.filename for entry in entries]
    roots = {name.partition("/")[0] for name in names}
    if (
        len(set(names)) < len(names)
        or len(roots) != 1
        or any(".." in name.split("/") or "\\" in name for name in names)
    ):
        raise WeightsError(f"{path}: its entries are not named as PyTorch names them; do not trust it")


def list_names(path: Path, size: int) -> list[str] | None:
    """Return the names in any zip archive, for messages only; None where its directory is damaged or too large."""
    with open(path, "rb") as file:
        file.seek(-min(size, END.size + 2**16), os.SEEK_END)
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END.size or END.unpack(tail[at : at + END.size])[5] > LARGEST_DIRECTORY:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error):
        return None


def _has_one_directory(path: Path, size: int) -> bool:
    """Return whether the file ends with the one directory that its last record describes."""
    with open(path, "rb") as file:
        file.seek(-min(size, END.size + LOCATOR.size + END64.size), os.SEEK_END)
        tail = file.read()
    if len(tail) < END.size:
        return False
    mark, *_disks, entries, extent, start, comment = END.unpack(tail[-END.size :])
    if mark != b"PK\x05\x06" or comment:
        return False
    end = size - END.size
    before = tail[: -END.size]
    if before[-LOCATOR.size :][:4] == b"PK\x06\x07":
        if len(before) < LOCATOR.size + END64.size:
            return False
        end -= LOCATOR.size + END64.size
        _, _, place, _ = LOCATOR.unpack(before[-LOCATOR.size :])
        mark, _, _, _, _, _, _, entries, extent, start = END64.unpack(before[: END64.size])
        if mark != b"PK\x06\x06" or place != end:
            return False
    return start + extent == end and 0 < entries <= MOST_ENTRIES
