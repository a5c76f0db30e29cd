"""How often the class that is not given is found, and what not knowing it costs.

    python benchmarks/quality/class_found.py cifar10-dev.zip --per-class 10 --lines runs.jsonl > class_found.json

Clean pictures of the archive, in folders named after the prior's classes, are degraded and restored three times: with
the class given, with the class found by the classifier (``dgp.classify``), and with all classes taken alike, as before
there was a classifier. The classifier alone is measured on more pictures. The pictures are not used for training. Runs
are appended to the file of lines as they end, and those in it are not repeated. The script prints a table on stderr and
JSON on stdout. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

import generators
from dgp.api import observe
from dgp.classify.classifier import make_classifier
from dgp.classify.find import find_classes
from dgp.evaluation.source import CleanPicture, Source
from dgp.evaluation.statistics import interval
from dgp.inversion import Inversion
from dgp.recipes.load import load_recipe
from dgp.recipes.overrides import parse_overrides
from dgp.recipes.schema import Recipe
from generators import Prior

ARMS = ("given", "found", "alike")
RELIABILITY = (0.0, 0.3, 0.5, 0.7, 0.85, 0.95, 1.0)  # edges of bins of the probability of the likeliest class


def classify(prior: Prior, spec: str, pictures: Sequence[CleanPicture]) -> dict:
    """Return how often the classifier is right, how often within its three likeliest, and how well it is calibrated."""
    begin = time.process_time()
    first = observe(pictures[0].picture, spec, prior, simulate=True)
    trained, begin = time.process_time() - begin, time.process_time()
    networks = make_classifier(first.degradation, prior).networks.values()
    found = [observe(one.picture, spec, prior, simulate=True, find_class=False) for one in pictures]
    probabilities = torch.stack([find_classes(one, prior).class_probabilities for one in found])
    classes = torch.tensor([prior.generator.info.class_index(one.folder) for one in pictures])
    order = probabilities.argsort(1, descending=True)
    right, sure = order[:, 0] == classes, probabilities.max(1).values
    bins = [
        (sure >= low) & (sure < high + (high == 1)) for low, high in zip(RELIABILITY, RELIABILITY[1:], strict=False)
    ]
    return {
        "prior": prior.name,
        "degradation": spec,
        "n": len(pictures),
        "right": right.double().mean().item(),
        "within_three": (order[:, :3] == classes[:, None]).any(1).double().mean().item(),
        "log_loss": -probabilities.gather(1, classes[:, None]).log().mean().item(),
        "reliability": [
            {"n": int(one.sum()), "probability": sure[one].mean().item(), "right": right[one].double().mean().item()}
            for one in bins
            if one.any()
        ],
        "first_picture_cpu_s": trained,
        "each_picture_cpu_s": (time.process_time() - begin) / len(pictures),
        "parameters": sum(p.numel() for network in networks for p in network.parameters()),
    }


def restore(prior: Prior, spec: str, clean: CleanPicture, arm: str, recipe: Recipe) -> dict:
    """Return the class and the fidelity of one run."""
    given = arm == "given"
    observation = observe(
        clean.picture, spec, prior, simulate=True, label=clean.folder if given else None, find_class=arm == "found"
    )
    if arm == "alike":
        observation = replace(observation, class_probabilities=None)
    result = Inversion(observation, prior, recipe).result()
    return {
        "psnr": result.metrics["psnr"]["value"],
        "class": clean.folder,
        "choice": result.class_choice.record(),
        "seconds": result.timing["total_s"],
    }


def run(prior: Prior, spec: str, pictures: Sequence[CleanPicture], options: argparse.Namespace) -> dict[str, dict]:
    """Return the runs of all arms, arm -> name of the picture -> what ``restore`` returns."""
    recipe = load_recipe("default", parse_overrides((), options.budget))
    lines, done = Path(options.lines), defaultdict(dict)
    kept = lines.read_text(encoding="utf-8").splitlines() if lines.exists() else []
    for line in map(json.loads, kept):
        if (line["prior"], line["degradation"], line["budget"]) == (prior.name, spec, options.budget):
            done[line["arm"]][line["picture"]] = line
    for clean in pictures:
        for arm in ARMS:
            if clean.name in done[arm]:
                continue
            key = {"prior": prior.name, "degradation": spec, "budget": options.budget}
            line = key | {"arm": arm, "picture": clean.name} | restore(prior, spec, clean, arm, recipe)
            done[arm][clean.name] = line
            with lines.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    names = {clean.name for clean in pictures}
    return {arm: {name: line for name, line in own.items() if name in names} for arm, own in done.items()}


def compare(prior: Prior, spec: str, runs: dict[str, dict]) -> Iterator[dict]:
    """Yield, for each arm, how often its class is right, its mean PSNR, and the loss against the class given."""
    given = runs["given"]
    for arm in ARMS:
        own = runs[arm]
        mean, low, high = interval([given[name]["psnr"] - own[name]["psnr"] for name in given])
        considered = [line for line in own.values() if line["choice"]["considered"]]
        yield {
            "prior": prior.name,
            "degradation": spec,
            "arm": arm,
            "n": len(own),
            "right": sum(line["choice"]["taken"]["name"] == line["class"] for line in own.values()) / len(own),
            "within_three": sum(
                line["class"] in [one["name"] for one in line["choice"]["considered"][:3]] for line in considered
            )
            / len(considered)
            if considered
            else None,
            "psnr": interval([line["psnr"] for line in own.values()])[0],
            "lost": {"mean": mean, "low": low, "high": high},
        }


def table(report: dict) -> str:
    """Return the tables of a report in Markdown."""
    rows = ["| prior | degradation | n | right | within three | log-loss | first picture | each |", "|---" * 8 + "|"]
    for one in report["classifier"]:
        rows.append(
            f"| {one['prior']} | `{one['degradation']}` | {one['n']} | {one['right']:.1%} | {one['within_three']:.1%} "
            f"| {one['log_loss']:.2f} | {one['first_picture_cpu_s']:.0f} s "
            f"| {one['each_picture_cpu_s'] * 1000:.0f} ms |"
        )
    rows += ["", "| prior | degradation | class | n | right | within three | PSNR | lost |", "|---" * 8 + "|"]
    for one in report["runs"]:
        within = "" if one["within_three"] is None else f"{one['within_three']:.0%}"
        lost = one["lost"]
        rows.append(
            f"| {one['prior']} | `{one['degradation']}` | {one['arm']} | {one['n']} | {one['right']:.0%} | {within} "
            f"| {one['psnr']:.2f} | {lost['mean']:.2f} ({lost['low']:.2f} to {lost['high']:.2f}) |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", help="a folder or zip archive of clean pictures, in folders named after classes")
    parser.add_argument("--priors", nargs="+", default=["biggan-cifar10", "stylegan2-cifar10"])
    parser.add_argument("--degradations", nargs="+", default=["gray", "inpaint:center=1/2", "sr:4"])
    parser.add_argument("--per-class", type=int, default=10, help="pictures of each class that are restored")
    parser.add_argument("--classified", type=int, default=100, help="pictures of each class for the classifier alone")
    parser.add_argument("--budget", type=int, help="what a run may cost, in passes through a network")
    parser.add_argument("--lines", default="class_found.jsonl", help="the file of ended runs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    source = Source(options.pictures)
    restored = source.open(source.choose(per_class=options.per_class))
    classified = source.open(source.choose(per_class=options.classified))
    report = {"torch": torch.__version__, **vars(options), "classifier": [], "runs": []}
    for name in options.priors:
        prior = generators.load(name)
        for spec in options.degradations:
            report["classifier"].append(classify(prior, spec, classified))
            if restored:
                report["runs"] += compare(prior, spec, run(prior, spec, restored, options))
    print(table(report), file=sys.stderr)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
