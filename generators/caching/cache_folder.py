"""The folder of computed and downloaded files, and atomic writing.

The module imports the standard library only: shell completion loads it without the package, which imports torch.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$DGP_CACHE``, else ``dgp`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. It need not exist."""
    if path := os.environ.get("DGP_CACHE"):
        return Path(path).expanduser()
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification says that relative paths are to be ignored.
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "dgp"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see the whole of it, or the old one. Makes the folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name[:64]}.{os.getpid()}.tmp")
    try:
        with open(draft, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
