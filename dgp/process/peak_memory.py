"""The largest memory that a run took."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROC = Path("/proc/self")
RESET = "5"  # what Linux takes in clear_refs to forget the peak so far


def reset_peak_memory() -> bool:
    """Forget the peak so far; return whether that of the host was forgotten, which only Linux can do."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
    try:
        (PROC / "clear_refs").write_text(RESET)
    except OSError:
        return False
    return True


def read_peak_memory(of_run: bool) -> dict:
    """Return the peak as an entry of result.json.

    Args:
        of_run: whether the host's was forgotten when the run began (``reset_peak_memory``).

    Returns:
        "host_bytes": of this process, None where the system does not tell; "device_bytes": of tensors on the GPU, None
        without one; "since": "run", or "process", whose earlier work may have taken more.
    """
    import torch

    device = torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else None
    return {"host_bytes": host_peak(), "device_bytes": device, "since": "run" if of_run else "process"}


def host_peak() -> int | None:
    """Return the largest memory of this process since it was forgotten, in bytes; None if unknown."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", (PROC / "status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
