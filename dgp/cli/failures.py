"""What went wrong -> an exit code and one line.

0 done; 1 the run failed; 2 bad usage or input; 3 weights or a plugin unusable; 4 some of several pictures
failed; 130 interrupted.
"""

from __future__ import annotations

import traceback

import click

SOME_FAILED = 4
INTERRUPTED = 130


def exit_code(error: BaseException) -> int:
    """The exit code of an error. Those of dgp, degradations and generators bring theirs, as click's do."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return INTERRUPTED
    code = getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1


def one_line(error: BaseException) -> str:
    """The error in one line; one that nobody foresaw is named by its type as well."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return "interrupted"
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    text = " ".join(text.split())
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory: {text or 'nothing is left'}; ask for fewer solutions, or use --device cpu"
    if hasattr(error, "exit_code"):
        return text
    return f"{type(error).__name__}: {text}; -v shows the traceback"


def print_error(error: BaseException, *, verbose: bool = False, about: str = "") -> None:
    """Write an error to stderr: one line, before it the traceback where `verbose`."""
    if verbose:
        click.echo("".join(traceback.format_exception(error)), err=True)
    line = f"Error: {about}{one_line(error)}"
    click.echo(line.encode("utf-8", "replace").decode(), err=True)  # file names may hold bytes that are no letters
