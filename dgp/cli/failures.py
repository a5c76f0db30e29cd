"""Exit codes and one-line messages of errors.

Exit codes: 0 done; 1 the run failed; 2 bad usage or input; 3 weights or a plugin unusable; 4 some of several pictures
failed; 130 interrupted.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from dgp.cli.console import Console, printable_lines, printable_text
from dgp.errors import to_one_line
from dgp.runs import failures

SOME_FAILED = 4
INTERRUPTED = 130


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error: its `exit_code` (errors of dgp, degradations, generators and click), else 1."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return INTERRUPTED
    return failures.exit_code(error)


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line, with its type if it is an unexpected one."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, click.ClickException):
        return to_one_line(error.format_message())
    return failures.one_line(error)


def print_error(error: BaseException, *, verbose: bool = False, prefix: str = "") -> None:
    """Print an error on stderr, in one line.

    Args:
        error: the error.
        verbose: print its traceback first.
        prefix: text before the message, such as the name of a picture.
    """
    if verbose:
        click.echo(printable_lines("".join(traceback.format_exception(error))), err=True)
    line = f"Error: {prefix}{one_line(error)}"
    click.echo(to_one_line(line), err=True)


def report_failure(path: Path, error: BaseException, console: Console) -> None:
    """Print the error of a picture, with the name of the picture if the message does not contain it."""
    named = printable_text(path) in str(error)
    print_error(error, verbose=console.verbose, prefix="" if named else f"{path}: ")


def describe_failure(path: Path, error: BaseException) -> dict:
    """Return the JSON record of a picture that failed."""
    return {"status": "failed", "input": {"path": str(path)}, "error": one_line(error)}


def exit_after(codes: Sequence[int]) -> None:
    """Exit where some of several pictures failed; ``codes`` has the exit code of each, 0 for those that are done."""
    if any(codes):
        click.get_current_context().exit(max(codes) if all(codes) else SOME_FAILED)
