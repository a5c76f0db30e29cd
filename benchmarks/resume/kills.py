"""Kill runs at random moments of every phase, resume them each time, and compare what they leave with runs left alone.

    python benchmarks/resume/kills.py photo.png --kills 20 --json

Four recipes: latents alone, released layers, an evolution, and L-BFGS. The kills are SIGKILL, at safe points of the
search and of each stage, while a checkpoint is put in place, before and after the end (finalize), and while results are
saved. Everything but the entries of result.json that state when, how long and where must be the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import dgp.inversion
from dgp.checkpoint import autosave
from dgp.cli.main import main as dgp_command

RECIPES = {
    "latent-mse": ["-r", "latent-mse", "--budget", "1500"],
    "default": ["-r", "default", "--budget", "1500"],
    "basin-cma": ["-r", "basin-cma", "--budget", "3000"],
    "l-bfgs": ["-r", str(Path(__file__).parent / "lbfgs.toml")],
}
VOLATILE = ("timing", "argv", "output")


class Events:
    """Counts the events of this process, and kills it at one of them.

    Args:
        kill_at: number of the event, from 1; None: it is not killed.
        phase: count the events of this phase alone.
        on_event: called with the phase of each event.
    """

    def __init__(
        self,
        kill_at: int | None = None,
        phase: str | None = None,
        on_event: Callable[[str], None] = lambda phase: None,
    ):
        self.kill_at, self.phase, self.on_event, self.counted, self.place = kill_at, phase, on_event, 0, ""

    def count(self, phase: str) -> None:
        self.on_event(phase)
        self.counted += self.phase in (None, phase)
        if self.counted == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Wrap the functions between whose calls a run can be killed."""
        at_safe_point, replace, finalize = autosave.Autosave._at_safe_point, os.replace, dgp.inversion.finalize

        def safe_point(saver, run):
            stage = run.position.number + (run.position.run is not None)
            self.place = "search" if run.rows is None else f"stage {stage}"
            at_safe_point(saver, run)
            self.count(self.place)

        def put_in_place(source, target, **options):
            phase = f"checkpoint in {self.place}" if "checkpoint" in Path(target).name else "saving"
            self.count(phase)
            replace(source, target, **options)
            self.count(phase)

        def finish(state):
            self.count("finish")
            found = finalize(state)
            self.count("finish")
            return found

        autosave.Autosave._at_safe_point, os.replace, dgp.inversion.finalize = safe_point, put_in_place, finish
        autosave.SHARE = 1.0


def run(arguments: list[str], events: Events) -> int | None:
    """Run a command in a process of its own; return its exit code, or None if it was killed."""
    process = os.fork()
    if not process:
        code = 70
        try:
            events.install()
            dgp_command(arguments)
        except SystemExit as end:
            code = end.code or 0
        finally:
            os._exit(code)
    status = os.waitpid(process, 0)[1]
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def contents(folder: Path) -> tuple[dict[str, bytes], int]:
    """Return what a run left, and how often it went on from a checkpoint."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    record = json.loads(found["result.json"])
    fixed = {key: value for key, value in record.items() if key not in VOLATILE}
    return found | {"result.json": json.dumps(fixed).encode()}, record["timing"]["resumes"]


def run_logged(arguments: list[str], log: Path, **events: Any) -> tuple[int | None, list[str]]:
    """Run a command; return its exit code, or None if it was killed, and the phases of its events."""
    with open(log, "w") as file:
        code = run(arguments, Events(**events, on_event=lambda phase: print(phase, file=file, flush=True)))
    return code, log.read_text().split("\n")[:-1]


def kill_and_resume(name: str, picture: Path, kills: int, seed: int, folder: Path) -> dict:
    """Return how a recipe's run that is killed again and again compares with the one that is left alone."""
    common = ["restore", str(picture), "-d", "gray", "--class", "0", "--fit", "stretch", "-q", *RECIPES[name]]
    common += ["--checkpoint-every", "0.01"]
    log, draw = folder / "events", random.Random(seed)
    code, alone = run_logged([*common, "-o", str(folder / "alone")], log)
    if code:
        sys.exit(f"the undisturbed run ended with exit code {code}")
    # Most kills are anywhere, each soon enough for the others to come before the end; the last ones are at the end.
    moments = [{"kill_at": draw.randint(1, max(1, 2 * len(alone) // kills))} for _ in range(kills - 6)]
    moments += [{"kill_at": draw.randint(1, 2), "phase": "finish"} for _ in range(2)]
    moments += [{"kill_at": draw.randint(1, alone.count("saving")), "phase": "saving"} for _ in range(4)]
    happened = []
    for moment in moments:
        code, phases = run_logged([*common, "-o", str(folder / "killed")], log, **moment)
        if code is None:
            happened.append(phases[-1])
    code, _ = run_logged([*common, "-o", str(folder / "killed")], log)
    (left_alone, _), (killed, resumes) = (contents(folder / which / picture.stem) for which in ("alone", "killed"))
    different = [file for file in left_alone.keys() | killed.keys() if left_alone.get(file) != killed.get(file)]
    return {
        "exit_code": code,
        "kills": len(happened),
        "kills_by_phase": dict(Counter(happened)),
        "resumes": resumes,
        "files": len(left_alone),
        "same_bytes": not different,
        "different": sorted(different),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--kills", type=int, default=20, help="for each recipe (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", action="append", choices=RECIPES, help="default: all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # threads do not survive a fork
    found = {}
    for name in options.recipe or RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = kill_and_resume(name, options.picture.resolve(), options.kills, options.seed, Path(folder))
        if not options.json:
            print(name, found[name])
    if options.json:
        print(json.dumps(found, indent=2))
    sys.exit(any(not one["same_bytes"] for one in found.values()))


if __name__ == "__main__":
    main()
