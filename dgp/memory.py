"""Memory of large tensors that is kept for the next ones."""

from __future__ import annotations

import ctypes
import os

# Parameters of ``mallopt`` of the GNU C library.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
PAD = 2**26  # bytes that are asked for beyond what is needed


def keep_freed_memory() -> bool:
    """Let the C library keep memory that was freed, and return whether it does.

    By default, each large tensor on the CPU gets new pages from the system, and returns them when it is freed; to write
    to a new page takes longer than to compute its values. With kept memory the exact merge at 1024 px takes two thirds
    of the time, and up to a third more memory at its peak, which is returned at the end of the process.

    Nothing is done without the GNU C library, or if the environment sets options of malloc.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or another system
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, -1), mallopt(M_TOP_PAD, PAD)])
