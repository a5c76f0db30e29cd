"""A batch and its two files, batch.json and units.jsonl, which are written before the work."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dgp.batch.inputs import BATCH_FILE, UNITS_FILE
from dgp.batch.unit import Unit
from dgp.errors import OutputError
from dgp.files import sha256_of, write_bytes_atomic, write_json_atomic
from dgp.output.run_folder import SCHEMA, prepare_folder, read_record
from dgp.runs.settings import RunSettings
from dgp.runs.unit import Method

RECORD = "a record of a batch"


@dataclass(frozen=True)
class Batch:
    """What is to be done. Nothing in it depends on how many processes do it, or where.

    Attributes:
        output: the folder of the results, absolute.
        cwd: the folder in which it was called; paths of pictures and settings are relative to it.
        inputs: the pictures, lists and manifest as they were asked for.
        settings: the settings that the units have in common.
        method: the hashes of prior, recipe, plugins and code.
        units: the units, in their order.
    """

    output: Path
    cwd: str
    inputs: tuple[str, ...]
    settings: RunSettings
    method: Method
    units: tuple[Unit, ...]

    def record(self) -> dict[str, Any]:
        """Return the content of batch.json."""
        return {
            "schema": SCHEMA,
            "cwd": self.cwd,
            "inputs": list(self.inputs),
            "settings": self.settings.record(),
            "method": self.method.record(),
            "units": len(self.units),
            "units_sha256": sha256_of(self._lines()),
        }

    def save(self, overwrite: bool = False) -> None:
        """Write the two files, unless they are there already.

        Args:
            overwrite: replace the files of another batch.

        Raises:
            OutputError: the folder holds another batch; the message names the differences.
        """
        prepare_folder(self.output)
        record, lines = self.record(), self._lines()
        existing = read_record(self.output / BATCH_FILE, RECORD)
        if existing is not None and existing != record and not overwrite:
            raise OutputError(
                f"{self.output / BATCH_FILE} belongs to a different batch ({'; '.join(compare(existing, record))}); "
                "use another folder (-o DIR), or replace it (--overwrite), which keeps the results of equal units"
            )
        units = self.output / UNITS_FILE
        if not units.is_file() or sha256_of(units) != record["units_sha256"]:
            write_bytes_atomic(units, lines)
        if existing != record:
            write_json_atomic(self.output / BATCH_FILE, record)

    def _lines(self) -> bytes:
        return b"".join(json.dumps(unit.record()).encode() + b"\n" for unit in self.units)


def load_batch(output: str | os.PathLike) -> Batch:
    """Return the batch of an output folder.

    Raises:
        OutputError: there is none, or its files are damaged.
    """
    output = Path(output).absolute()
    record = read_record(output / BATCH_FILE, RECORD)
    if record is None:
        raise OutputError(f"{output} holds no batch ({BATCH_FILE} is missing); name the output folder of `dgp batch`")
    try:
        lines = (output / UNITS_FILE).read_bytes()
        if sha256_of(lines) != record["units_sha256"]:
            raise ValueError(f"{UNITS_FILE} is not the one that belongs to it")
        return Batch(
            output=output,
            cwd=record["cwd"],
            inputs=tuple(record["inputs"]),
            settings=RunSettings.from_record(record["settings"]),
            method=Method.from_record(record["method"]),
            units=tuple(Unit.from_record(json.loads(line)) for line in lines.splitlines()),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{output} holds no readable batch ({error}); give the command of the batch again") from error


def compare(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return how two records of a batch differ, a text for each entry: "seed: 0 there, 1 now"."""
    found = []
    for key in [*there, *(key for key in now if key not in there)]:
        old, new = there.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += compare(old, new)
        elif old != new:
            found.append(f"{key}: {_shorten(old)} there, {_shorten(new)} now")
    return found


def _shorten(value: Any) -> str:
    text = "not given" if value is None else str(value)
    return text if len(text) <= 60 else text[:40] + "..."
