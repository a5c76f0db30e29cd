"""What a large batch asks of a file system: calls for each picture, and the time to read the state of many results.

    python benchmarks/batch/capacity.py --units 100000

Prints JSON. The calls are those of `dgp batch` on the output folder and the pictures (strace, Linux), as the difference
between a batch of two pictures and one of twelve. The results whose state is read are copies of one result.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from common import make_pictures, options

from dgp.batch.batch_files import Batch, load_batch
from dgp.batch.report import summarize
from dgp.batch.unit import Unit

FEW, MORE = 2, 12  # pictures
CALL = re.compile(r"^\d+\s+(\w+)\(")


def count_calls(folder: Path, pictures: int) -> Counter:
    """Return the number of system calls on files of a batch, by name."""
    scans, trace = folder / f"scans-{pictures}", folder / "trace.txt"
    make_pictures(scans, pictures, 0)
    words = [sys.executable, "-m", "dgp", "batch", scans.name, *options(folder, "toy", 1), "-o", f"out-{pictures}"]
    strace = ["strace", "-f", "-qq", "-y", "-e", "trace=file,fsync,getdents64", "-o", str(trace)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*strace, *words], cwd=folder, env=environment, check=True, capture_output=True)
    found = Counter()
    with open(trace) as lines:
        for line in lines:
            if (call := CALL.match(line)) and (f"out-{pictures}" in line or f"{scans.name}/" in line):
                found[call[1]] += 1
    return found


def measure_state(result: Path, units: int, output: Path) -> dict:
    """Return the time to write the list of many units, to read it, and to read the state of as many results."""
    text, first = result.read_bytes(), load_batch(result.parents[1])
    many = tuple(Unit(k, f"scans/{k:08}.png", f"{k // 1000:05}/{k:08}") for k in range(1, units + 1))
    batch: Batch = replace(first, output=output, units=many)
    begin = time.monotonic()
    batch.save()
    saved = time.monotonic()
    for unit in many:
        folder = output / unit.folder
        folder.mkdir(parents=True)
        (folder / "result.json").write_bytes(text)
    made = time.monotonic()
    batch = load_batch(output)
    loaded = time.monotonic()
    assert summarize(batch)["done"] == units
    return {
        "units": units,
        "list_bytes": (output / "units.jsonl").stat().st_size,
        "result_bytes": len(text),
        "save_list_s": round(saved - begin, 2),
        "load_list_s": round(loaded - made, 2),
        "status_s": round(time.monotonic() - loaded, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=100_000, help="results whose state is read")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dgp-capacity-") as name:
        folder = Path(name)
        few, more = (count_calls(folder, pictures) for pictures in (FEW, MORE))
        calls = {call: (more[call] - few[call]) / (MORE - FEW) for call in sorted(more)}
        state = measure_state(folder / f"out-{FEW}/0000/result.json", asked.units, folder / "many")
    load = round(os.getloadavg()[0], 2)
    print(json.dumps({"calls_a_picture": calls | {"all": sum(calls.values())}, "state": state, "load": load}, indent=2))


if __name__ == "__main__":
    main()
