"""How the lines of a batch reach the terminal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from dgp.cli.console import Console, printable_text


class _Lines(logging.Handler):
    """Prints log records as notes of a console."""

    def __init__(self, console: Console, level: int):
        super().__init__(level)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        self.console.note(printable_text(record.getMessage()))


@contextlib.contextmanager
def printing_log(console: Console) -> Iterator[None]:
    """Print the log lines of the batch on stderr; with a progress bar, those of failures alone."""
    from dgp.progress import is_interactive

    logger = logging.getLogger("dgp.batch")
    level = logging.DEBUG if console.verbose else logging.WARNING if is_interactive() else logging.INFO
    handler, before = _Lines(console, level), logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level, logging.INFO))  # a log file gets more lines than the terminal
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def print_failures(failures: list[dict[str, Any]], console: Console) -> None:
    """Print a line for each unit that failed."""
    for failure in failures:
        named = failure["picture"] in failure["reason"]
        console.print(printable_text("failed: " + ("" if named else f"{failure['picture']}: ") + failure["reason"]))
