"""Two workers against one, of one or two threads: the time of the same batch, with the time to start apart.

    python benchmarks/batch/workers.py --units 40

Prints JSON. The time of each call is that of the whole command; ``start_s`` is that of a repetition in which all units
are done already, so that only processes are started and results looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from common import make_pictures, options, run


def measure(arguments: list[str], folder: Path, workers: int, threads: int) -> dict:
    """Return the times of a batch on a number of workers, of so many threads each."""
    words = ["batch", "run", "scans", *arguments, "-o", f"out{workers}-{threads}", "--workers", str(workers), "--json"]
    times = []
    for _ in range(2):
        begin = time.monotonic()
        code, summary = run(words, folder, threads)
        times.append(time.monotonic() - begin)
        assert code == 0, summary
    total, start = times
    return {"workers": workers, "threads_each": threads, "total_s": round(total, 2), "start_s": round(start, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=40)
    parser.add_argument("--prior", default="biggan-cifar10")
    parser.add_argument("--steps", type=int, default=20, help="steps of each of the two stages")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dgp-workers-") as name:
        folder = Path(name)
        make_pictures(folder / "scans", asked.units, 0)
        common = options(folder, asked.prior, asked.steps)
        load = os.getloadavg()[0]
        found = [measure(common, folder, *arm) for arm in ((1, 1), (1, 2), (2, 1))]
    for entry in found:
        entry["speed_to_first"] = round(found[0]["total_s"] / entry["total_s"], 2)
        work = entry["total_s"] - entry["start_s"]
        entry["speed_to_first_without_start"] = round((found[0]["total_s"] - found[0]["start_s"]) / work, 2)
    print(
        json.dumps(
            {
                "units": asked.units,
                "prior": asked.prior,
                "steps": 2 * asked.steps,
                "cores": len(os.sched_getaffinity(0)),
                "load_before": round(load, 2),
                "load_after": round(os.getloadavg()[0], 2),
                "measured": found,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
