"""The exceptions of this package: one family, whose members are also builtin exceptions."""

from __future__ import annotations

import traceback

from degradations.text import to_one_line


class DegradationError(Exception):
    """A failure of an operator, or of its description.

    Attributes:
        exit_code: what a command-line program returns for it.
    """

    exit_code = 1

    def __str__(self) -> str:
        return to_one_line(super().__str__())


class SpecError(DegradationError, ValueError):
    """A spec with a wrong name, parameter or value."""

    exit_code = 2


class MaskError(DegradationError, ValueError):
    """A mask that cannot be read, is empty or full, or does not fit its picture."""

    exit_code = 2


class SizeError(DegradationError, ValueError):
    """A tensor of a shape that the operator does not accept."""

    exit_code = 2


class PluginError(DegradationError, RuntimeError):
    """A third-party operator that cannot be used."""

    exit_code = 3


def summarize(error: BaseException) -> str:
    """Return the type and the first line of an exception, for a message of one line."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def find_line(error: BaseException, file: str | None) -> str:
    """Return " (line N)", the last line of ``file`` in the traceback of an exception, or "" if there is none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (line {lines[-1]})" if lines else ""
