"""The one file that a command writes: its name, and a check that it can be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from dgp.errors import OutputError


def png_option(default: str) -> Callable:
    """Return the option -o of a command that writes one PNG file; `default` is described in its help."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        show_default=False,
        help=f"The PNG file to write (default: {default}).",
    )


def resolve_png_path(output: Path | None, default: str) -> Path:
    """Return the file to write: the one given by -o, else `default` in the current folder.

    Raises:
        OutputError: -o is not given, and the default file exists already.
    """
    if output is None and Path(default).exists():
        raise OutputError(f"{default} already exists; name the file to write with -o (-o {default} replaces it)")
    return output or Path(default)


def png_writer(path: Path) -> Callable[[bytes], None]:
    """Return a function that writes a PNG file, creating its folder, after checking that this is possible.

    Raises:
        OutputError: `path` is a folder, does not end in .png, or cannot be written.
    """
    from dgp.files import check_writable, write_bytes_atomic

    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file, for example -o {path / 'picture.png'}")
    if path.suffix.lower() != ".png":
        raise OutputError(f"got -o {path}; expected a name that ends in .png, the format that is written")
    check_writable(path.parent)

    def write(data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, data)

    return write
