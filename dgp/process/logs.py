"""Log files: a line of JSON for each record of the loggers below "dgp"."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from dgp.errors import OutputError

ROOT = "dgp"
OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}  # what every record has


def extra_fields(record: logging.LogRecord) -> dict:
    """Return the fields that the caller added to a record; names with an underscore are those of other libraries."""
    return {name: value for name, value in vars(record).items() if name not in OWN and not name.startswith("_")}


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object: time (UTC, ISO 8601), level, logger, message, extra fields, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in extra_fields(record).items() if name not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


class TextLines(logging.Formatter):
    """Formats a record as one line of text: message, then extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = [f"{name}={value}" for name, value in extra_fields(record).items()]
        line = " ".join([f"{record.name}: {record.getMessage()}", *fields])
        # Names of files may hold newlines and escapes, which a terminal would obey.
        return "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)


class LogFile(logging.FileHandler):
    """Appends to a file; a line that cannot be written, such as on a full disk, is left out and does not end a run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name that logging calls
        pass


@contextlib.contextmanager
def logging_to_file(path: Path | None) -> Iterator[None]:
    """Append the records of the block, from level INFO on, to a file of JSON lines; None: do nothing.

    Processes that append to the same file each write whole lines.

    Raises:
        OutputError: the file cannot be written.
    """
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = LogFile(path, mode="a", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write the log {path}: {error.strerror or error}; name another file") from error
    handler.setFormatter(JsonLines())
    with contextlib.closing(handler), _handling(handler):
        yield


@contextlib.contextmanager
def logging_to_stream(stream: TextIO, without: str) -> Iterator[None]:
    """Write the records of the block, from level INFO on, to a stream as lines of text.

    Args:
        stream: such as stderr.
        without: a logger whose records are left out, with all loggers below it.
    """
    handler, below = logging.StreamHandler(stream), logging.Filter(without)
    handler.setFormatter(TextLines())
    handler.addFilter(lambda record: not below.filter(record))
    with _handling(handler):
        yield


@contextlib.contextmanager
def _handling(handler: logging.Handler) -> Iterator[None]:
    """Give the records of the block, from level INFO on, to a handler."""
    logger = logging.getLogger(ROOT)
    handler.setLevel(logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
