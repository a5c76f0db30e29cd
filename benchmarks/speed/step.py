"""The cost of one step and of one candidate: the published DGP loop and this engine, in one run, on the same weights.

    python benchmarks/speed/step.py --resolution 128 --ch 96 --threads 1 --repeats 3 --json

The weights are random, as their values do not change the cost. Repetitions of the implementations alternate, so that
other load on the machine affects all of them; medians of wall and process time are reported. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import platform

import published_loop as published
import torch
import torch.nn.functional as F
from random_prior import random_prior
from timing import Times, ratio

from dgp.api import observe
from dgp.inversion import Inversion
from dgp.observation.observation import Observation
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe
from dgp.variables.rows import Rows

RECIPES = {64: "dgp-colorization", 128: "dgp-colorization", 256: "dgp-colorization-256"}
CANDIDATES_OF_A_RUN = 500


class Comparison:
    """Both implementations on the same picture and the same weights."""

    def __init__(self, resolution: int, ch: int):
        attention = min(64, resolution // 2)
        self.prior = random_prior(resolution, ch, attention)
        self.G = published.Generator(resolution, ch, attention=attention)
        self.D = published.Discriminator(resolution, ch, attention=attention)
        self.D.load_state_dict(self.prior.discriminator.state_dict())
        random = torch.Generator().manual_seed(4)
        blurred = F.interpolate(torch.rand(1, 3, 8, 8, generator=random), resolution, mode="bicubic")
        self.target = blurred.clamp(0, 1) * 2 - 1
        self.z = torch.randn(1, self.prior.generator.config.dim_z, generator=random) / 2
        self.y = torch.tensor([7])
        self.recipe = load_recipe(RECIPES[resolution])
        self.observation = self._observe()

    def _observe(self) -> Observation:
        observation = observe(self.target, self.recipe.operator, self.prior, label=7, simulate=True, target="float")
        # The unrounded values that the published loop uses, instead of 8-bit ones.
        y = observation.degradation.measure(self.target)
        return Observation(**vars(observation) | {"y": y})

    def published_loop(self) -> published.PublishedLoop:
        """Return the published loop with the original weights."""
        self.G.load_state_dict(self.prior.generator.state_dict())
        return published.PublishedLoop(self.G, self.D, self.target, self.z, self.y)

    def inversion(self, recipe: Recipe) -> Inversion:
        """Return this engine's inversion, from the same start."""
        start = {"z": self.z, "class": self.prior.generator.embed(self.y)}
        return Inversion(self.observation, self.prior, recipe, start=start)

    def candidates(self, count: int, repeats: int) -> dict:
        """Measure the scoring of `count` candidates; times are per candidate."""
        random = torch.Generator().manual_seed(5)
        z = torch.randn(count, self.z.shape[1], generator=random) / 2
        zero, y = torch.zeros(count, dtype=torch.long), self.y.expand(count)
        rows = Rows(zero, zero, {"z": z, "class": self.prior.generator.embed(y)})
        loop, problem, search = self.published_loop(), self.inversion(self.recipe).problem, self.recipe.searches[0]
        theirs, ours = Times(), Times()
        problem.rank(rows, search.terms, search.through)  # not measured: folding of weights, features of the target
        for _ in range(repeats):
            a = theirs.measure(lambda: loop.scores(z, y))
            b = ours.measure(lambda: problem.rank(rows, search.terms, search.through))
        return {
            "published": theirs.medians(count),
            "ours": ours.medians(count),
            "ratio": ratio(theirs, ours),
            "largest_difference": (a - b).abs().max().item(),
        }

    def steps(self, number: int, repeats: int) -> dict:
        """Measure the steps of one stage: published, and ours with warm and with cold moments."""
        stage = self.recipe.stages[number]
        move = stage.release
        dropped = stage.terms[0].drop
        theirs = published.Stage(move.groups, self.prior.feature_count - dropped, move.lr, stage.lr_of("z"), move.ratio)
        loop = self.published_loop()
        times, losses = {name: Times() for name in ("published", "warm", "cold")}, {}
        ours = {}
        for moments in ("warm", "cold"):
            recipe = load_recipe(self.recipe, [f"stages.*.release.moments={moments}"])
            ours[moments] = iter(self.inversion(recipe.model_copy(update={"stages": (recipe.stages[number],)})))
        actions = {
            "published": lambda: loop.step(theirs)[1],
            **{name: lambda steps=steps: next(steps).losses["features"].item() for name, steps in ours.items()},
        }
        for repeat in range(repeats + 1):
            for name, action in actions.items():
                if repeat:
                    losses.setdefault(name, []).append(times[name].measure(action))
                else:
                    losses[name] = [action()]  # not measured: optimiser states, folding of frozen weights
        return {
            "groups": move.groups,
            "steps_of_a_run": stage.steps,
            **{name: t.medians() for name, t in times.items()},
            "ratio_warm": ratio(times["published"], times["warm"]),
            "ratio_cold": ratio(times["published"], times["cold"]),
            "loss_differences_warm": [abs(a - b) for a, b in zip(losses["published"], losses["warm"], strict=True)],
        }


def whole_run(stages: list[dict], candidate: dict) -> dict[str, float]:
    """Return the process seconds of the whole recipe for one picture, as the sum of its parts."""
    forms = {"published": "published", "warm": "ours", "cold": "ours"}
    return {
        f"{form}_cpu_s": CANDIDATES_OF_A_RUN * candidate[name]["cpu_s"]
        + sum(s["steps_of_a_run"] * s[form]["cpu_s"] for s in stages)
        for form, name in forms.items()
    }


def table(report: dict) -> str:
    """Return the report as a table of text."""
    lines = [f"{'':22}{'published':>12}{'warm':>9}{'ratio':>8}{'cold':>9}{'ratio':>8}   (process seconds)"]
    for s in report["steps"]:
        lines.append(
            f"step, groups released {s['groups']}{s['published']['cpu_s']:11.3f}{s['warm']['cpu_s']:9.3f}"
            f"{s['ratio_warm']['cpu']:8.2f}{s['cold']['cpu_s']:9.3f}{s['ratio_cold']['cpu']:8.2f}"
        )
    c = report["candidate"]
    lines.append(f"{'candidate':22}{c['published']['cpu_s']:12.3f}{c['ours']['cpu_s']:9.3f}{c['ratio']['cpu']:8.2f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=128, choices=sorted(RECIPES))
    parser.add_argument("--ch", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=8, help="how many candidates this engine scores together")
    parser.add_argument("--stages", type=int, default=5, help="measure only the first stages")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    comparison = Comparison(options.resolution, options.ch)
    groups = len(comparison.G.groups())
    usable = [i for i, stage in enumerate(comparison.recipe.stages) if stage.release.groups <= groups][: options.stages]
    report = {"torch": torch.__version__, "machine": platform.machine(), "dtype": "float32", **vars(options)}
    report["candidate"] = comparison.candidates(options.candidates, options.repeats)
    report["steps"] = [comparison.steps(i, options.repeats) for i in usable]
    if len(usable) == len(comparison.recipe.stages):
        report["whole_run"] = whole_run(report["steps"], report["candidate"])
    print(json.dumps(report, indent=1) if options.json else table(report))


if __name__ == "__main__":
    main()
