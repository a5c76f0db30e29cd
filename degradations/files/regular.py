"""Reading of whole files that a user names: regular ones only, of a bounded size.

A name may lead to a device that never ends (/dev/zero), to a pipe that never answers, to a folder, or
around a circle of links. Nothing of these is opened or waited for.
"""

from __future__ import annotations

import errno
import os
import stat

LARGEST = 2**30  # bytes; uncompressed, the largest picture that is accepted takes half of it


def read_regular(path: str | os.PathLike, most: int = LARGEST) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        most: the largest size that is accepted, in bytes.

    Raises:
        OSError: there is no such file, it is no regular one, it is larger, or it cannot be read. ``strerror`` says
            which, in words for a message.
    """
    try:
        status = os.stat(path)
    except ValueError:  # a null byte, or a character that this system has no bytes for
        raise OSError(errno.EINVAL, "its name cannot be the name of a file", os.fspath(path)) from None
    if not stat.S_ISREG(status.st_mode):
        what = "is a directory" if stat.S_ISDIR(status.st_mode) else "is not a regular file"
        raise OSError(errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL, what, os.fspath(path))
    with open(path, "rb", opener=_open_without_waiting) as file:
        content = file.read(status.st_size + 1) if status.st_size <= most else None
    if content is None or len(content) > most:  # too large, also where it has grown since
        size = f"it has {max(status.st_size, most + 1):,} bytes, and at most {most:,} are read"
        raise OSError(errno.EFBIG, size, os.fspath(path))
    return content


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that took its place since it was looked at is not waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
