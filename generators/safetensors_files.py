"""Reading of safetensors files whose header is bounded, since it says how much is allocated."""

from __future__ import annotations

import errno
import os
import stat

from torch import Tensor

LONGEST_HEADER = 2**23  # bytes; a network of 10,000 tensors takes a tenth of it


def read_safetensors(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file of named tensors.

    Args:
        path: the file.

    Returns:
        (the tensors by name, the texts of its header).

    Raises:
        OSError: there is no such file, it is no regular one, or it cannot be read; ``strerror`` says which.
        ValueError: it is no whole safetensors file; the message says why, in one line.
    """
    _check_header(path)
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118, no mapping
            return tensors, opened.metadata() or {}
    except Exception as error:  # its own error, and others for dtypes that torch lacks
        raise ValueError(str(error).strip().partition("\n")[0][:120] or type(error).__name__) from None


def read_header(path: str | os.PathLike) -> dict[str, str]:
    """Return the texts in the header of a file of named tensors, without reading its tensors; raises as above."""
    _check_header(path)
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as opened:
            return opened.metadata() or {}
    except Exception as error:
        raise ValueError(str(error).strip().partition("\n")[0][:120] or type(error).__name__) from None


def _check_header(path: str | os.PathLike) -> None:
    """Raise OSError for what is no regular file, and ValueError for a header that is longer than allowed."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > min(LONGEST_HEADER, status.st_size - 8):
        raise ValueError(f"its header would have {length:,} bytes")
