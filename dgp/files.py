"""Writing files whole or not at all, and naming contents by their sha256."""

import hashlib
import json
import os
from pathlib import Path

from dgp.errors import OutputError


def write_bytes_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path`, so that a reader sees the old file or the whole new one, never a part.

    The folder must exist. Raises OutputError when it cannot be written.
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
    """Write `value` as indented JSON. NaN and Infinity, which JSON does not have, are a ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    # A file name that is not valid UTF-8 reaches Python as lone surrogates; JSON can only escape those.
    write_bytes_atomic(path, (text + "\n").encode("utf-8", "backslashreplace"))


def sha256_of(source: str | os.PathLike | bytes) -> str:
    """The sha256, in hexadecimal, of some bytes or of the contents of a file."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
