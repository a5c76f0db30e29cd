"""Atomic writing of files, reading of JSON within bounds, a test that a folder can be written, and sha256 sums."""

import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dgp.errors import OutputError


def write_bytes_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path` so that a reader finds either the old file or the complete new one.

    Args:
        path: the file; its folder must exist.
        data: the content.

    Raises:
        OutputError: the file cannot be written.
    """
    with replace_atomic(path) as draft:
        draft.write_bytes(data)


@contextlib.contextmanager
def replace_atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Yield the path of a draft for the block to write, and put it in place of `path` when it is on the disk.

    A reader finds either the old file or the complete new one, also after a power cut. Processes that write the same
    file at once have drafts of their own.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name[:64]}.{_host()}-{os.getpid()}.tmp")
    try:
        yield draft
        sync(draft)
        os.replace(draft, path)
        sync(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    finally:
        with contextlib.suppress(OSError):  # a draft that cannot be removed must not hide why it was not written
            draft.unlink()


def remove_dead_drafts(folder: Path) -> None:
    """Remove the drafts in a folder of processes of this computer that were killed."""
    for draft in folder.glob(f".*.{_host()}-*.tmp"):
        pid = draft.name.removesuffix(".tmp").rpartition("-")[2]
        if pid.isdecimal() and not is_alive(int(pid)):
            draft.unlink(missing_ok=True)


def _host() -> str:
    """Return the name of this computer as a part of file names."""
    return re.sub(r"[^A-Za-z0-9]", "", platform.node())[:32]


def is_alive(pid: int) -> bool:
    """Return whether a process of this computer is running, or may be."""
    if os.name == "nt":  # where asking would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json_atomic(path: str | os.PathLike, value: object) -> None:
    """Write `value` to `path` as indented JSON, atomically.

    Raises:
        ValueError: `value` contains NaN or Infinity, which JSON does not have.
        OutputError: the file cannot be written.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    # A file name that is not valid UTF-8 reaches Python as lone surrogates, which JSON can only hold as escapes.
    write_bytes_atomic(path, (text + "\n").encode("utf-8", "backslashreplace"))


def parse_json(content: str | bytes, deepest: int = 32) -> Any:
    """Return the value of a JSON text.

    Args:
        content: the text, in UTF-8.
        deepest: how many objects and arrays may lie within each other.

    Raises:
        ValueError: it is no JSON (which has no NaN and no Infinity), or deeper.
    """
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"more than {deepest} objects or arrays within each other") from None
    layer = [value]
    for _ in range(deepest):
        containers = [one for one in layer if isinstance(one, dict | list)]
        layer = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
    if any(isinstance(one, dict | list) for one in layer):
        raise ValueError(f"more than {deepest} objects or arrays within each other")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no number of JSON")


def check_writable(folder: str | os.PathLike) -> None:
    """Check that files can be written into a folder, or, if it does not exist, that it can be created.

    Nothing is left behind: the check creates a temporary folder in the nearest existing parent and removes it.

    Raises:
        OutputError: the folder, or its nearest existing parent, cannot be written or is a file.
    """
    folder = Path(folder)
    existing = folder
    try:
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if existing.is_dir():
            with tempfile.TemporaryDirectory(prefix=".dgp-", dir=existing):
                return
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"cannot write into {folder}: {reason}; choose another folder (-o)") from error
    raise OutputError(f"cannot write into {folder}: {existing} is a file; choose another folder (-o)")


def sha256_of(source: str | os.PathLike | bytes) -> str:
    """Return the sha256, in hexadecimal, of bytes or of the contents of a regular file.

    Raises:
        OSError: the file cannot be read, or is no regular one: a pipe or a device might never end.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if not stat.S_ISREG(os.stat(source).st_mode):
        raise OSError(errno.EINVAL, "is not a regular file", os.fspath(source))
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
