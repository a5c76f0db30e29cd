"""Where computed and fetched things are kept, and writing them whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$DGP_CACHE``, else ``dgp`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. It need not exist."""
    if path := os.environ.get("DGP_CACHE"):
        return Path(path).expanduser()
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The specification of base directories asks that paths which are not absolute be ignored.
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "dgp"


def write_atomic(path: Path, data: bytes) -> None:
    """Writes ``data``: a reader of ``path`` sees the whole, or nothing new. Makes the folder. Raises OSError."""
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
