"""Many cases, read by confined processes: counts, the slowest, the largest, and every fault."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.worker import WAITED

ROOT = Path(__file__).resolve().parents[2]
LEASE = WAITED + 30  # seconds without a line after which a worker hangs in code that no signal reaches


def run(cases: int, seed: int, names: list[str]) -> dict:
    """Read cases, and return what came of them.

    Args:
        cases: how many, shared evenly by the readers.
        seed: of all cases.
        names: of the readers.
    """
    begin, records, first = time.perf_counter(), [], 0
    while first < cases:
        first = _run_worker(first, cases, seed, names, records)
    faults = [record for record in records if record["outcome"] == "fault"]
    counts = {name: Counter(r["outcome"] for r in records if r["reader"] == name) for name in names}
    slowest = max(records, key=lambda record: record["seconds"])
    return {
        "cases": len(records),
        "seed": seed,
        "answers": sum(count["answer"] for count in counts.values()),
        "refusals": sum(count["refusal"] for count in counts.values()),
        "faults": len(faults),
        "by_reader": {name: dict(sorted(count.items())) for name, count in counts.items()},
        "slowest": {key: slowest[key] for key in ("reader", "case", "seconds")},
        "largest_growth_mib": round(max(record.get("grown_mib", 0) for record in records), 1),
        "seconds": round(time.perf_counter() - begin, 1),
        "faulty": _distinct(faults),
    }


def _distinct(faults: list[dict]) -> list[dict]:
    """Return the first fault of each kind: the same reader, and the same end of its last line."""
    kinds: dict[tuple, dict] = {}
    for record in faults:
        shown = {key: record[key] for key in ("reader", "case", "fault")}
        kinds.setdefault((record["reader"], record["fault"].strip().splitlines()[-1][-80:]), shown)
    return list(kinds.values())[:100]


def _run_worker(first: int, last: int, seed: int, names: list[str], records: list[dict]) -> int:
    """Start a worker, add its records, and return the case after the last that it has read or died of."""
    command = [sys.executable, "-m", "tests.fuzz.worker", str(seed), json.dumps(names), str(first), str(last)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    worker = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    pending, open_case, started = b"", None, False
    try:
        while True:
            ready, _, _ = select.select([worker.stdout], [], [], LEASE if started else 300)
            piece = os.read(worker.stdout.fileno(), 2**16) if ready else b""
            if not piece:
                break
            started = True
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                record = json.loads(line)
                open_case = record if "outcome" not in record else None
                if open_case is None:
                    records.append(record)
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(0 if open_case is None and started else 2)
        worker.kill()
        code = worker.wait()
        worker.stdout.close()
    if open_case is None:
        done = records[-1]["case"] + 1 if records else 0
        if done < last:
            raise RuntimeError(f"a worker ended before case {done}, with {code}")
        return last
    why = f"the process died, with {code}" if ready else "hung where no signal reaches it"
    records.append({**open_case, "outcome": "fault", "seconds": LEASE, "fault": why})
    return open_case["case"] + 1
