"""Exit codes and one-line messages of errors.

Exit codes: 0 done; 1 the run failed; 2 bad usage or input; 3 weights or a plugin unusable; 4 some of several pictures
failed; 130 interrupted.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from dgp.cli.console import Console, printable_text

SOME_FAILED = 4
INTERRUPTED = 130


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error: its `exit_code` (errors of dgp, degradations, generators and click), else 1."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return INTERRUPTED
    code = getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line, with its type if it is an unexpected one."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return "interrupted"
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    text = " ".join(text.split())
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory: {text or 'nothing is left'}; use a smaller --num-solutions, or --device cpu"
    if hasattr(error, "exit_code"):
        return text
    return f"{type(error).__name__}: {text}; -v shows the traceback"


def print_error(error: BaseException, *, verbose: bool = False, prefix: str = "") -> None:
    """Print an error on stderr, in one line.

    Args:
        error: the error.
        verbose: print its traceback first.
        prefix: text before the message, such as the name of a picture.
    """
    if verbose:
        click.echo("".join(traceback.format_exception(error)), err=True)
    line = f"Error: {prefix}{one_line(error)}"
    click.echo(printable_text(line), err=True)


def report_failure(path: Path, error: BaseException, console: Console) -> None:
    """Print the error of a picture, with the name of the picture if the message does not contain it."""
    named = str(path) in str(error)
    print_error(error, verbose=console.verbose, prefix="" if named else f"{path}: ")


def describe_failure(path: Path, error: BaseException) -> dict:
    """Return the JSON record of a picture that failed."""
    return {"status": "failed", "input": {"path": str(path)}, "error": one_line(error)}


def exit_after(codes: Sequence[int]) -> None:
    """Exit where some of several pictures failed; ``codes`` has the exit code of each, 0 for those that are done."""
    if any(codes):
        click.get_current_context().exit(max(codes) if all(codes) else SOME_FAILED)
