"""The text and JSON output of commands, with the options --json, -q, -v and --log-file."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import click

from dgp.errors import to_one_line
from dgp.process.logs import logging_to_file, logging_to_stream

START_TIME = "dgp.start_time"  # key in a click context's `meta`: when the call began (time.perf_counter)


@dataclass(frozen=True)
class Console:
    """Output of a command.

    Attributes:
        as_json: print one JSON object on stdout, and everything else on stderr.
        quiet: print errors only.
        verbose: also print details.
    """

    as_json: bool
    quiet: bool
    verbose: bool

    def print(self, line: str) -> None:
        """Print a line of the command's result: on stdout, or on stderr if stdout is reserved for JSON."""
        if not self.quiet:
            click.echo(printable_lines(line), err=self.as_json)

    def note(self, line: str) -> None:
        """Print a remark on stderr."""
        if not self.quiet:
            click.echo(printable_lines(line), err=True)

    def detail(self, line: str) -> None:
        """Print a remark on stderr that only `-v` shows."""
        if self.verbose:
            click.echo(printable_lines(line), err=True)

    def print_json(self, value: dict) -> None:
        """Print the JSON object of the command's result on stdout, if `as_json`."""
        if self.as_json:
            click.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=True))


OPTIONS = (
    click.option("--json", "as_json", is_flag=True, show_default=False, help="Print one JSON object on stdout."),
    click.option("-q", "--quiet", is_flag=True, show_default=False, help="Print errors only."),
    click.option("-v", "--verbose", is_flag=True, show_default=False, help="Print details, and tracebacks of errors."),
)


def console_options(function: Callable) -> Callable:
    """Decorate a command with --json, -q and -v, which it gets as `console`, and show the progress of its work."""

    @functools.wraps(function)
    def command(*arguments, console: Console, **options):
        from dgp.progress import display, is_interactive

        # The lines of a batch are printed by its own command.
        log = logging_to_stream(sys.stderr, "dgp.batch") if console.verbose else contextlib.nullcontext()
        with log, display(is_interactive() and not console.quiet):
            return function(*arguments, console=console, **options)

    return collect_options(command, OPTIONS, "console", Console)


log_file_option = click.option(
    "--log-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    show_default=False,
    help="Append a line of JSON for each event to this file, such as the end of a stage or memory that was short.",
)


def writing_log(function: Callable) -> Callable:
    """Decorate a command so that it writes the log file that its `options` name (`log_file_option`)."""

    @functools.wraps(function)
    def command(*arguments, options, **values):
        with logging_to_file(options.log_file):
            return function(*arguments, options=options, **values)

    return command


def collect_options(function: Callable, options: tuple, argument: str, dataclass_type: type) -> Callable:
    """Decorate a command with options whose values it gets as one dataclass.

    Args:
        function: the command.
        options: click options, in the order of the help.
        argument: name of the parameter of the command that gets the dataclass.
        dataclass_type: a dataclass with a field for each option.
    """
    names = [field.name for field in fields(dataclass_type)]

    @functools.wraps(function)
    def command(**values):
        return function(**{argument: dataclass_type(**{name: values.pop(name) for name in names})}, **values)

    for option in reversed(options):
        command = option(command)
    return command


def printable_text(value: object) -> str:
    """Return a value, such as a path, as text of one line that every terminal can show, and none obeys."""
    return to_one_line(str(value))


def printable_lines(text: str) -> str:
    """Return lines as `printable_text` does, with their blanks and line breaks."""
    return "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else printable_text(c) for c in text)
