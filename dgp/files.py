"""Atomic writing of files, a test that a folder can be written, and sha256 sums."""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from dgp.errors import OutputError


def write_bytes_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path` so that a reader finds either the old file or the complete new one.

    Args:
        path: the file; its folder must exist.
        data: the content.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    draft = path.with_name(f".{path.name[:64]}.{os.getpid()}.tmp")
    try:
        with open(draft, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    finally:
        draft.unlink(missing_ok=True)


def write_json_atomic(path: str | os.PathLike, value: object) -> None:
    """Write `value` to `path` as indented JSON, atomically.

    Raises:
        ValueError: `value` contains NaN or Infinity, which JSON does not have.
        OutputError: the file cannot be written.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    # A file name that is not valid UTF-8 reaches Python as lone surrogates, which JSON can only hold as escapes.
    write_bytes_atomic(path, (text + "\n").encode("utf-8", "backslashreplace"))


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
    """Return the sha256, in hexadecimal, of bytes or of the contents of a file."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
