"""A table of a batch: a row for each unit, as CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dgp.batch.batch_files import Batch
from dgp.batch.report import State, read_states
from dgp.batch.unit import Unit
from dgp.errors import DgpError, InputError
from dgp.files import check_writable, write_bytes_atomic

Row = dict[str, Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # beginnings of texts that spreadsheets compute


def make_row(unit: Unit, state: State) -> Row:
    """Return the row of a unit: flat, with numbers, texts, booleans and None alone."""
    result = state.result or {}
    row = {
        "number": unit.number,
        "picture": unit.picture,
        "folder": unit.folder,
        "status": state.status,
        "reason": state.reason or None,
        "unit": result.get("unit") or (state.failure or {}).get("unit"),
        "picture_sha256": result.get("input", {}).get("sha256"),
        "degradation": result.get("degradation", {}).get("spec"),
        "class": result.get("class"),
        "class_name": result.get("class_name"),
        "seed": result.get("seed"),
        "device": result.get("device"),
    }
    for name, metric in result.get("metrics", {}).items():
        row[f"metrics.{name}"] = metric.get("value")
    for table in ("fidelity", "evaluations", "timing"):
        row |= {f"{table}.{name}": value for name, value in result.get(table, {}).items() if _is_scalar(value)}
    return row


def make_rows(batch: Batch) -> list[Row]:
    """Return the rows of all units, each with the columns of all."""
    rows = [make_row(unit, state) for unit, state in read_states(batch)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in columns} for row in rows]


def export(batch: Batch, path: Path) -> int:
    """Write the table into a file, in the format of its suffix, and return the number of rows.

    Raises:
        InputError: another suffix.
        DgpError: Parquet without its package.
        OutputError: the file cannot be written.
    """
    encode = FORMATS.get(path.suffix.lower())
    if encode is None:
        raise InputError(f"got -o {path}; expected a name that ends in {', '.join(FORMATS)}")
    rows = make_rows(batch)
    data = encode(rows)
    check_writable(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, data)
    return len(rows)


def _encode_csv(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: _defuse(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _defuse(value: object) -> object:
    """Return a value of a CSV cell; a text that a spreadsheet would compute, such as =A1, gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA else value


def _encode_json_lines(rows: list[Row]) -> bytes:
    return b"".join(json.dumps(row, allow_nan=False).encode() + b"\n" for row in rows)


def _encode_parquet(rows: list[Row]) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise DgpError(
            "Parquet needs pyarrow, which is not installed; pip install 'deep-generative-prior[parquet]', or use .csv"
        ) from error
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


FORMATS: dict[str, Callable[[list[Row]], bytes]] = {
    ".csv": _encode_csv,
    ".jsonl": _encode_json_lines,
    ".parquet": _encode_parquet,
}


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)
