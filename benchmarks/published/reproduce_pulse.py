"""PULSE as published and as repaired, on the network that it was published with, against what is stated of it.

    python benchmarks/published/reproduce_pulse.py --weights pulse/ --pictures celeba-hq/ --factor 32 -o reproduce-pulse
    python benchmarks/published/reproduce_pulse.py --weights pulse/ --pictures faces/ --steps 200 --steps 400 --count 20

`--weights` holds `synthesis.pt` and `mapping.pt` (and `gaussian_fit.pt`, which is computed where it is missing);
`--pictures` aligned faces of 1024 pixels, which are made smaller by PULSE's own filter and then searched for. What is
compared is the downscaling error, PULSE's L2: the mean squared error between the observed small picture and the answer
made small, in [0, 1], of the picture that is saved. What is done is kept in `-o`, and is not done again.

Not measured here: NIQE, and what people say. The paper reports no distance to the original face, since the method
invents one; PSNR and LPIPS stand in `table.md` nevertheless.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

import generators
from degradations.errors import DegradationError
from dgp.device import resolve_device
from dgp.errors import DgpError
from dgp.evaluation import Evaluation, Source, statistics
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.progress import is_interactive
from dgp.recipes.recipe import Recipe, load_recipe

RECIPES = ("pulse", "pulse-repaired")
USUAL = 100  # pictures, where no number is given: CelebA-HQ has 30 000, and all are held in memory
LIMITS = {"code": 2e-3, "paper": 1e-3}  # eps, under which an answer is accepted

# What is stated of the downscaling error and of time, and where.
PAPER = "Menon et al. 2020, arXiv 2003.03808"
FORK = "README of an independent fork; the picture that is saved, after 100 / 200 / 400 / 800 steps"
STATED = (
    ("accepted up to, in the paper", "0.001", PAPER),
    ("accepted up to, in the code", "0.002", "default of -eps"),
    ("an easy picture", ".00143 / .00136 / .00136 / .00135", FORK),
    ("a hard picture", ".00402 / .00199 / .00200 / .00201", FORK),
    ("a harder one", ".00672 / .00363 / .00222 / .00201", FORK),
    ("a refused picture, 100 steps", "0.0053", "issue 7 of Face-Depixelizer"),
    ("seconds a picture, 100 steps", "about 5, one V100", PAPER),
)


def recipes_of(options: argparse.Namespace) -> dict[str, Recipe]:
    """By the names of their arms; the first also with other numbers of steps."""
    names = options.recipe or list(RECIPES)
    made = {name: load_recipe(name, options.overrides) for name in names}
    for steps in options.steps:
        made[f"{names[0]}, {steps} steps"] = load_recipe(names[0], (*options.overrides, f"stages.*.steps={steps}"))
    return made


def figures(evaluation: Evaluation) -> dict[str, dict]:
    """Of each arm: {"n", "error": {mean, low, high}, "median", "within": share of each limit, "seconds"}."""
    (spec,) = evaluation.degradations
    found = {}
    for arm in evaluation.arms:
        units = [content for _, content, _ in evaluation.answers(arm, spec)]
        # No decibels are given where the two pictures are the same.
        decibels = [content["fidelity"]["observation_psnr"] for content in units]
        errors = np.array([0.0 if value is None else 10 ** (-value / 10) for value in decibels])
        found[arm.name] = {
            "n": len(errors),
            "error": dict(zip(("mean", "low", "high"), statistics.interval(errors), strict=True)),
            "median": float(np.median(errors)),
            "within": {name: float((errors <= limit).mean()) for name, limit in LIMITS.items()},
            "seconds": float(np.mean([content["timing"]["total_s"] for content in units])),
        }
    return found


def table(found: dict[str, dict], spec: str) -> str:
    within = (f"within {limit:g}" for limit in LIMITS.values())
    lines = [
        f"Downscaling error in [0, 1], {spec}; in brackets {statistics.INTERVAL:.0%} bootstrap intervals of the mean.",
        "",
        *_rows("recipe", "n", "mean error", "median", *within, "seconds a picture"),
    ]
    for name, row in found.items():
        mean, low, high = (f"{row['error'][key]:.5f}" for key in ("mean", "low", "high"))
        shares = (f"{share:.0%}" for share in row["within"].values())
        cells = (name, row["n"], f"{mean} [{low}, {high}]", f"{row['median']:.5f}", *shares, f"{row['seconds']:.1f}")
        lines += _rows(*cells)[:1]
    lines += ["", "What is stated:", "", *_rows("what", "figure", "where")]
    for row in STATED:
        lines += _rows(*row)[:1]
    return "\n".join(lines) + "\n"


def _rows(*cells: object) -> list[str]:
    """A row, and the rule that stands under it where it is the head."""
    return ["| " + " | ".join(map(str, cells)) + " |", "|" + " --- |" * len(cells)]


def reproduce(options: argparse.Namespace) -> dict:
    from tqdm import tqdm

    prior = generators.load(options.weights)
    source = Source(options.pictures)
    options.output.mkdir(parents=True, exist_ok=True)
    evaluation = Evaluation(
        source.open(source.choose(options.count or min(USUAL, len(source.names)))),
        [f"sr-pulse:{options.factor}"],
        recipes_of(options),
        prior,
        options.output,
        "auto",
        seed=options.seed,
        device=resolve_device(options.device),
        at_once=options.at_once,
        baselines=False,
    )
    evaluation.check()
    with tqdm(total=evaluation.remaining_steps, unit="step", file=sys.stderr, disable=not is_interactive()) as bar:
        evaluation.run(lambda count, doing: bar.update(count))
    evaluation.write()
    found = figures(evaluation)
    told = {
        "schema": 1,
        "prior": {"name": prior.name, "sha256": prior.sha256},
        "factor": options.factor,
        "recipes": found,
    }
    write_bytes_atomic(options.output / "downscaling.md", table(found, evaluation.degradations[0]).encode())
    write_json_atomic(options.output / "figures.json", told)
    return told


def main(arguments: list[str] | None = None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True, help="the folder with synthesis.pt and mapping.pt")
    parser.add_argument("--pictures", type=Path, required=True, help="a folder or zip archive of aligned faces")
    parser.add_argument("--factor", type=int, default=32, help="how many times smaller: the paper has 64, 32 and 8")
    parser.add_argument("--recipe", action="append", help=f"repeatable; {' and '.join(RECIPES)} where none is named")
    parser.add_argument(
        "--steps", type=int, action="append", default=[], help="the first recipe also with so many steps"
    )
    parser.add_argument("--count", type=int, help=f"so many of the pictures; {USUAL} where there are more")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--at-once", type=int, default=1, help="pictures that are searched for together")
    parser.add_argument("-o", "--output", type=Path, default=Path("reproduce-pulse"))
    options = parser.parse_args(arguments)
    try:
        told = reproduce(options)
    except (DgpError, DegradationError, generators.GeneratorError) as error:
        raise SystemExit(f"error: {error}") from None
    print((options.output / "downscaling.md").read_text())
    return told


if __name__ == "__main__":
    main()
