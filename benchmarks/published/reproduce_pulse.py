"""PULSE, as published and with its defects repaired, on its published network, compared with the published figures.

    python benchmarks/published/reproduce_pulse.py --weights pulse/ --pictures celeba-hq/ --factor 32 -o reproduce-pulse
    python benchmarks/published/reproduce_pulse.py --weights pulse/ --pictures faces/ --steps 200 --steps 400 --count 20

`--weights` is a folder with `synthesis.pt` and `mapping.pt` (and `gaussian_fit.pt`, which is computed if it is
missing). `--pictures` are aligned faces of 1024 pixels; they are downscaled by PULSE's own filter and then restored.
The measured quantity is the downscaling error, PULSE's L2: the mean squared error, in [0, 1], between the observed
small picture and the downscaled answer, for the picture that is saved. Finished results are kept in `-o` and not
computed again.

NIQE and opinion scores are not measured. The paper reports no distance to the original face, as the method invents a
face; PSNR and LPIPS are nevertheless in `table.md`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from command import add_run_options, new_parser, run

import generators
from dgp.device import resolve_device
from dgp.evaluation import Evaluation, Source, statistics
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.progress import is_interactive
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe

RECIPES = ("pulse", "pulse-repaired")
DEFAULT_COUNT = 100  # pictures: CelebA-HQ has 30 000, and all chosen ones are held in memory
LIMITS = {"code": 2e-3, "paper": 1e-3}  # eps, below which an answer is accepted

# Published figures of the downscaling error and of the time, and their sources.
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
    """Return the recipes by the names of their arms, the first also with the numbers of steps of --steps."""
    names = options.recipe or list(RECIPES)
    recipes = {name: load_recipe(name, options.overrides) for name in names}
    for steps in options.steps:
        recipes[f"{names[0]}, {steps} steps"] = load_recipe(names[0], (*options.overrides, f"stages.*.steps={steps}"))
    return recipes


def figures(evaluation: Evaluation) -> dict[str, dict]:
    """Return for each arm {"n", "error": {mean, low, high}, "median", "within": share below each limit, "seconds"}."""
    (spec,) = evaluation.degradations
    found = {}
    for arm in evaluation.arms:
        units = [content for _, content, _ in evaluation.answers(arm, spec)]
        # The PSNR is None if the two pictures are identical.
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
    """Return the figures as a table in Markdown."""
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
    lines += ["", "Published figures:", "", *_rows("quantity", "figure", "source")]
    for row in STATED:
        lines += _rows(*row)[:1]
    return "\n".join(lines) + "\n"


def _rows(*cells: object) -> list[str]:
    """Return a row of a Markdown table, and the line that follows it if it is the head."""
    return ["| " + " | ".join(map(str, cells)) + " |", "|" + " --- |" * len(cells)]


def reproduce(options: argparse.Namespace) -> dict:
    """Compute the missing results, write downscaling.md and figures.json, and return the content of the latter."""
    from tqdm import tqdm

    prior = generators.load(options.weights)
    source = Source(options.pictures)
    options.output.mkdir(parents=True, exist_ok=True)
    evaluation = Evaluation(
        pictures=source.open(source.choose(options.count or min(DEFAULT_COUNT, len(source.names)))),
        degradations=[f"sr-pulse:{options.factor}"],
        recipes=recipes_of(options),
        prior=prior,
        folder=options.output,
        label="auto",
        seed=options.seed,
        device=resolve_device(options.device),
        at_once=options.at_once,
        baselines=False,
    )
    evaluation.check()
    with tqdm(total=evaluation.remaining_steps, unit="step", file=sys.stderr, disable=not is_interactive()) as bar:
        evaluation.run(lambda count, text: bar.update(count))
    evaluation.write()
    found = figures(evaluation)
    record = {
        "schema": 1,
        "prior": {"name": prior.name, "sha256": prior.sha256},
        "factor": options.factor,
        "recipes": found,
    }
    write_bytes_atomic(options.output / "downscaling.md", table(found, evaluation.degradations[0]).encode())
    write_json_atomic(options.output / "figures.json", record)
    return record


def main(arguments: list[str] | None = None) -> dict:
    parser = new_parser(__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="the folder with synthesis.pt and mapping.pt")
    parser.add_argument("--pictures", type=Path, required=True, help="a folder or zip archive of aligned faces")
    parser.add_argument("--factor", type=int, default=32, help="how many times smaller: the paper has 64, 32 and 8")
    parser.add_argument("--recipe", action="append", help=f"repeatable; {' and '.join(RECIPES)} by default")
    parser.add_argument(
        "--steps",
        type=int,
        action="append",
        default=[],
        help="also run the first recipe with this number of steps; repeatable",
    )
    parser.add_argument("--count", type=int, help=f"how many of the pictures (default: at most {DEFAULT_COUNT})")
    add_run_options(parser, "reproduce-pulse")
    return run(reproduce, parser.parse_args(arguments), "downscaling.md")


if __name__ == "__main__":
    main()
