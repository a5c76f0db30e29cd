"""What checkpoints cost: their size and time, and the share of a run's time, with and without them side by side.

    python benchmarks/resume/cost.py photo.png --prior biggan-cifar10 --every 1 --repeats 3

Runs without and with checkpoints alternate; the share is the difference of their process times. It is printed for the
interval that was asked for; an interval of 60 seconds, the default, costs a sixtieth of one of a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

import dgp
from dgp.api import invert
from dgp.checkpoint.autosave import Autosave
from dgp.checkpoint.folder import CheckpointFolder
from dgp.inversion import Inversion


class Counted(Autosave):
    """Counts the checkpoints that it writes, their bytes, and the seconds that they take."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.bytes, self.seconds = [], []

    def _save(self, run):
        begin = time.perf_counter()
        saved = super()._save(run)
        self.seconds.append(time.perf_counter() - begin)
        self.bytes.append(self.folder.files[0].stat().st_size)
        return saved


def measure_calls(inversion: Inversion, folder: Path) -> float:
    """Return the seconds that a safe point takes at which nothing is due."""
    autosave, calls = Autosave(CheckpointFolder(folder)), 100_000
    with autosave.attend(inversion):
        begin = time.perf_counter()
        for _ in range(calls):
            inversion.on_safe_point()
        return (time.perf_counter() - begin) / calls


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--degradation", default="gray")
    parser.add_argument("--prior", default="biggan-cifar10")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between checkpoints (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    prior = dgp.load_prior(options.prior)
    label = 0 if prior.generator.info.classes else None
    observation = dgp.observe(options.picture, options.degradation, prior, label=label, fit="crop")
    recipe = dgp.load_recipe(options.recipe, options.set)
    plain, saved, found = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.repeats):
            for times, every in ((plain, 0.0), (saved, options.every)):
                autosave = Counted(CheckpointFolder(Path(folder) / "run"), every)
                begin = time.process_time()
                invert(observation, prior, recipe, autosave=autosave)
                times.append(time.process_time() - begin)
                autosave.folder.clear()
                found += [autosave] if every else []
        call = measure_calls(Inversion(observation, prior, recipe), Path(folder))
    sizes, seconds = ([value for one in found for value in getattr(one, name)] for name in ("bytes", "seconds"))
    record = {
        "prior": prior.name,
        "recipe": recipe.name,
        "every_s": options.every,
        "process_s_without": plain,
        "process_s_with": saved,
        "share": statistics.median(saved) / statistics.median(plain) - 1,
        "checkpoints_a_run": len(sizes) / options.repeats,
        "largest_mb": max(sizes, default=0) / 1e6,
        "slowest_s": max(seconds, default=0.0),
        "share_at_60_s": max(seconds, default=0.0) / max(60.0, 100 * max(seconds, default=0.0)),
        "safe_point_ns": call * 1e9,
    }
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
