"""A batch under attack: workers and a driver are killed, pictures are damaged, the command runs twice at once.

    python benchmarks/batch/stress.py --units 200 --workers 2

Checks that each good unit is there once and equal to its single run, that each bad one is listed with its reason, and
that the command ends with exit code 4. Prints JSON. Needs Linux (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from common import contents, make_pictures, options, run, start

# What marks the processes of an engine's workers, in their command lines.
MARKS = {"local": "multiprocessing.spawn import spawn_main", "ray": "ray::Actor"}


class Killer(threading.Thread):
    """Kills a random worker now and then.

    Args:
        drivers: the processes whose workers are killed; may change meanwhile.
        mark: what their command lines hold.
        kills: how many are killed at most.
        pause: seconds between two kills, on average.
    """

    def __init__(self, drivers: list[subprocess.Popen], mark: str, kills: int, pause: float, seed: int):
        super().__init__(daemon=True)
        self.drivers, self.mark, self.left, self.pause = drivers, mark, kills, pause
        self.random, self.killed, self.over = random.Random(seed), 0, threading.Event()

    def run(self) -> None:
        while self.left and not self.over.wait(self.random.uniform(0.5, 1.5) * self.pause):
            if workers := find_workers([driver.pid for driver in self.drivers], self.mark):
                kill(self.random.choice(workers))
                self.killed, self.left = self.killed + 1, self.left - 1


def find_workers(drivers: list[int], mark: str) -> list[int]:
    """Return the workers among the descendants of processes."""
    parents, lines = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            pid = int(entry.name)
            parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            lines[pid] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (OSError, IndexError, ValueError):
            continue
    known, grown = set(drivers), True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in known} - known
        known, grown = known | more, bool(more)
    return [pid for pid in known - set(drivers) if mark in lines.get(pid, "")]


def kill(pid: int) -> None:
    """Send SIGKILL to a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def attack(arguments: list[str], folder: Path, asked: argparse.Namespace) -> dict:
    """Start the command twice at once, kill workers, kill one driver and start it again; return what was done."""
    drivers = [start(arguments, folder), start(arguments, folder)]
    killer = Killer(drivers, MARKS[asked.engine], asked.kills, asked.pause, asked.seed)
    killer.start()
    time.sleep(asked.driver_after)
    was_running = drivers[0].poll() is None
    drivers[0].kill()
    drivers[0].wait()
    drivers[0] = start(arguments, folder)
    codes, said = [], []
    for driver in drivers:
        _, errors = driver.communicate()
        codes.append(driver.returncode)
        said += errors.decode(errors="replace").strip().splitlines()[-1:] if driver.returncode != 4 else []
    killer.over.set()
    killer.join()
    return {
        "workers_killed": killer.killed,
        "driver_was_running": was_running,
        "codes_under_attack": codes,
        "unexpected": said,
    }


def spoil_checkpoint(arguments: list[str], folder: Path, name: str) -> bool:
    """Kill a run after the first checkpoint of a unit, damage that, and return whether there was one."""
    process = start([*arguments, "--checkpoint-every", "0.001"], folder)
    path = folder / "many" / name / "checkpoint.safetensors"
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if path.exists():
            process.kill()
            break
        time.sleep(0.001)
    process.communicate()
    time.sleep(1)  # the worker sees that its driver is gone
    if not path.exists():
        return False
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=MARKS, default="local")
    parser.add_argument("--prior", default="toy")
    parser.add_argument("--steps", type=int, default=20, help="steps of each of the two stages")
    parser.add_argument("--damaged", type=float, default=0.05, help="fraction of damaged pictures")
    parser.add_argument("--kills", type=int, default=10, help="how many workers are killed")
    parser.add_argument("--pause", type=float, default=8, help="seconds between two kills")
    parser.add_argument("--driver-after", type=float, default=20, help="seconds after which a driver is killed")
    parser.add_argument("--spoil-checkpoint", action="store_true", help="damage the checkpoint of a unit first")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dgp-stress-") as name:
        folder = Path(name)
        good, bad = make_pictures(folder / "scans", asked.units, round(asked.damaged * asked.units), asked.seed)
        common = options(folder, asked.prior, asked.steps)
        begin = time.monotonic()
        run(["restore", *(f"scans/{name}.png" for name in good), *common, "-o", "single", "-q"], folder)
        single_s = time.monotonic() - begin
        engine = ["--engine", asked.engine, "--workers", str(asked.workers)]
        arguments = ["batch", "run", "scans", *common, "-o", "many", *engine, "--json"]
        spoilt = None
        if asked.spoil_checkpoint:
            spoilt = spoil_checkpoint(arguments, folder, good[0])
        begin = time.monotonic()
        found = attack(arguments, folder, asked)
        attacked_s = time.monotonic() - begin
        code, summary = run(arguments, folder)
        _, status = run(["batch", "status", "many", "--json"], folder)
        verified, _ = run(["batch", "verify", "many", "--json"], folder)
        listed = {failure["folder"]: failure["reason"] for failure in summary["failures"]}
        differing = [n for n in good if contents(folder / "single" / n) != contents(folder / "many" / n)]
        lines = (folder / "many" / "units.jsonl").read_text().splitlines()
        checks = {
            "each_good_unit_equals_its_single_run": not differing,
            "each_good_unit_is_there_once": status["done"] == len(good) and len(lines) == asked.units,
            "each_bad_unit_is_listed_with_its_reason": sorted(listed) == bad and all(listed.values()),
            "exit_code_4": code == 4 and set(found["codes_under_attack"]) == {4},
            "hashes_verified": verified == 0,
            "nothing_left_over": status["missing"] + status["interrupted"] == 0 and not leftovers(folder / "many"),
        }
    print(
        json.dumps(
            {
                "engine": asked.engine,
                "units": asked.units,
                "damaged": len(bad),
                "workers": asked.workers,
                **found,
                "checkpoint_spoilt": spoilt,
                "single_runs_s": round(single_s, 1),
                "under_attack_s": round(attacked_s, 1),
                "differing": differing,
                "failures": listed,
                "checks": checks,
                "passed": all(checks.values()),
            },
            indent=2,
        )
    )
    return 0 if all(checks.values()) else 1


def leftovers(folder: Path) -> list[str]:
    """Return temporary files and checkpoints."""
    return [str(path) for path in folder.rglob("*") if path.suffix == ".tmp" or path.name.startswith("checkpoint")]


if __name__ == "__main__":
    sys.exit(main())
