"""Accuracy of the estimates of unknown parameters, and of the identification of damage.

    python benchmarks/quality/blind.py cifar10-dev.zip > blind.json

Clean pictures of the archive are damaged. The first part estimates unknown parameters (``blur:sigma=auto``), also if
the true operator belongs to another family. The second part ranks chains of damages (``-d auto``), and compares the
ranking with hand-written rules. The pictures of the archive are not used for training. The script prints a table on
stderr and JSON on stdout. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence

import damage_rules
import numpy as np
import torch
from torch import Tensor

import degradations
import generators
from degradations import Degradation
from dgp.evaluation.source import Source
from dgp.identify.chains import Names
from dgp.identify.damages import DAMAGES, NAMES, SCRATCHES, build_operator, get_damage
from dgp.identify.estimate import estimator
from dgp.identify.ranking import CHAINS, rank_rows
from dgp.identify.scratches import RandomScratches
from dgp.identify.sources import sources
from dgp.observation.images import to_rgb, to_tensor
from generators import Prior

ESTIMATED = (
    "blur:sigma=0.5..3",
    "noise:sigma=0.02..0.25",
    "jpeg:quality=10..95",
    "gamma:gamma=0.4..2.5",
    "gray+jpeg:quality=10..95",
    "blur:sigma=0.5..4+noise:sigma=0.02..0.25",
)
# Operators of another family: spec -> (words for the table, function from the parameter to the true operator).
OTHER_FAMILIES: dict[str, tuple[str, Callable[[float], str]]] = {
    "blur:sigma=0.5..3": ("defocus of radius 2 sigma", lambda sigma: f"defocus:{2 * sigma}"),
    "noise:sigma=0.02..0.25": ("poisson of that deviation at mid-grey", lambda s: f"poisson:{0.5 / s**2}"),
    "jpeg:quality=10..95": ("chroma at full size", lambda quality: f"jpeg:quality={round(quality)},subsampling=444"),
}
# Operators for the same damages that are not in the training data of the ranking.
OTHERS = {
    "missing colour": ("gray:luma=dgp",),
    "fading": ("gamma:0.5+fade:contrast=0.6,black=0.2", "fade:contrast=0.5,black=0.3"),
    "blur": (
        "blur:1+motion-blur:length=4,angle=20",
        "defocus:1.5+defocus:1.5",
        "motion-blur:length=5+motion-blur:length=5,angle=90",
    ),
    "low resolution": ("rescale:factor=2.5,filter=lanczos,up=lanczos", "rescale:3.5,filter=box,up=box", "rescale:2-3"),
    "noise": ("speckle:0.3", "noise:0.03+poisson:60", "speckle:0.15+noise:0.05"),
    "jpeg": ("jpeg:quality=15,subsampling=422", "jpeg:45,subsampling=422", "jpeg:80+jpeg:30,subsampling=422"),
}


def pictures_of(path: str, first: int, count: int) -> Tensor:
    """Return pictures of a sample from the archive, after leaving out the ``first``: (count, 3, R, R) in [-1, 1]."""
    source = Source(path)
    names = source.choose(count=first + count)[first:]
    return torch.cat([to_tensor(to_rgb(clean.picture)) for clean in source.open(names)])


def skimage_noise(y: Tensor) -> list[float] | str:
    """Return the standard deviation of noise by scikit-image, as a share of the range, or why it is not available."""
    try:
        from skimage.restoration import estimate_sigma

        return [estimate_sigma(p.permute(1, 2, 0).numpy() / 2, channel_axis=2, average_sigmas=True) for p in y]
    except ImportError as error:
        return str(error).splitlines()[0]


def errors(found: Sequence[float], truth: Sequence[float], spread: Sequence[float] | None = None) -> dict:
    """Return statistics of the errors, and how often they lie within one and two stated spreads."""
    off, truth = np.array(found) - np.array(truth), np.array(truth)
    report = {
        "median_absolute": float(np.median(abs(off))),
        "median_relative": float(np.median(abs(off) / truth)),
        "mean_absolute": float(abs(off).mean()),
        "bias": float(off.mean()),
    }
    if spread is not None:
        report |= {f"within_{k}_spread": float((abs(off) <= k * np.array(spread)).mean()) for k in (1, 2)}
    return report


def estimates(prior: Prior, clean: Tensor, spec: str, seed: int) -> list[dict]:
    """Return a row for each unknown parameter, and one for the operator of another family, if there is one."""
    operator = degradations.parse(spec)
    begin = time.process_time()
    estimate = estimator(operator, prior, seed=seed)
    taken, random = time.process_time() - begin, torch.Generator().manual_seed(seed + 1)
    unknowns = operator.unknowns()
    truth = {n: u.value(torch.rand(len(clean), generator=random).double()).float() for n, u in unknowns.items()}
    y = operator.bind(truth).simulate(clean, random)
    begin = time.process_time()
    found = estimate(y)
    each = (time.process_time() - begin) / len(clean)
    rows = []
    for name, values in truth.items():
        read = [row[name].value for row in found]
        row = {"asked": spec, "true": "as asked", "parameter": name, "learning_s": taken, "reading_s": each}
        row |= errors(read, values.tolist(), [row[name].spread for row in found])
        if spec.startswith("noise"):
            other = skimage_noise(y)
            row["skimage"] = other if isinstance(other, str) else errors(other, values.tolist())
        rows.append(row)
    if spec in OTHER_FAMILIES:
        words, other_family = OTHER_FAMILIES[spec]
        ((name, values),) = truth.items()
        observations = [
            degradations.parse(other_family(v)).simulate(x[None], random)
            for v, x in zip(values.tolist(), clean, strict=True)
        ]
        found = estimate(torch.cat(observations))
        row = {"asked": spec, "true": words, "parameter": name}
        rows.append(row | errors([r[name].value for r in found], values.tolist(), [r[name].spread for r in found]))
    return rows


def damage(clean: Tensor, chains: Sequence[Names], random: np.random.Generator, others: bool) -> Tensor:
    """Damage each picture by its chain with random visible strengths; with ``others``, by the operators `OTHERS`."""
    observations = []
    for picture, chain in zip(clean, chains, strict=True):
        noise = torch.Generator().manual_seed(int(random.integers(2**31)))
        if others:
            operator = _build_other(chain, random)
        else:
            operator = build_operator(chain, [int(random.integers(len(get_damage(name).simulated))) for name in chain])
            values = {n: u.value(float(random.random())) for n, u in operator.unknowns().items()}
            operator = operator.with_values(values) if values else operator
        observations.append(operator.simulate(picture[None], noise).expand(-1, 3, -1, -1))
    return torch.cat(observations)


def _build_other(chain: Names, random: np.random.Generator) -> Degradation:
    """Return a chain of the operators `OTHERS`."""
    links = [
        RandomScratches() if name == SCRATCHES else degradations.parse(OTHERS[name][random.integers(len(OTHERS[name]))])
        for name in chain
    ]
    return degradations.Chain(links)


def shares(found: Sequence[Sequence[Names]], truth: Sequence[Names], ordered: bool = True) -> dict:
    """Return how often the truth is first, and among the first three; unless ordered, chains count as sets."""
    ranks = []
    for chains, true in zip(found, truth, strict=True):
        if not ordered:
            chains, true = list(dict.fromkeys(tuple(sorted(chain)) for chain in chains)), tuple(sorted(true))
        ranks.append(list(chains).index(true) if true in chains else 10**6)
    ranks = np.array(ranks)
    return {"first": float((ranks < 1).mean()), "within_three": float((ranks < 3).mean())}


def rankings(prior: Prior, clean: Tensor, counts: Sequence[int], seed: int) -> list[dict]:
    """Return rows for single damages, for single damages by other operators, for pairs of damages, and for none."""
    random, rows, undamaged = np.random.default_rng(seed), [], sources(prior, range(500), seed, 0.0)
    begin = time.process_time()
    rank_rows(clean[:1], prior, seed=seed)
    learning = time.process_time() - begin
    doubles = [chain for chain in CHAINS if len(chain) == 2]
    tasks = {
        "single": ([(DAMAGES[k % len(DAMAGES)].name,) for k in range(counts[0])], False),
        "single, other operators": ([(NAMES[k % len(NAMES[:-1])],) for k in range(counts[0])], True),
        "double": ([doubles[k % len(doubles)] for k in range(counts[1])], False),
    }
    for what, (truth, others) in tasks.items():
        pictures = clean[torch.arange(len(truth)) % len(clean)]
        y = damage(pictures, truth, random, others)
        found = [[c.damages for c in row] for row in rank_rows(y, prior, seed=seed)]
        ruled = damage_rules.rank_rows(y, undamaged)
        row = {"damages": what, "pictures": len(truth), "learning_s": learning}
        row |= {"ranking": shares(found, truth), "rules": shares(ruled, truth, ordered=False)}
        if what == "double":
            row["ranking, in any order"] = shares(found, truth, ordered=False)
        else:
            row["first, by damage"] = {
                name: shares(*zip(*[(f, t) for f, t in zip(found, truth, strict=True) if t == (name,)], strict=True))[
                    "first"
                ]
                for name in dict.fromkeys(t[0] for t in truth)
            }
        rows.append(row)
    none = [[c.damages for c in row] for row in rank_rows(clean[: counts[1]], prior, seed=seed)]
    rows.append({"damages": "none", "pictures": len(none), "ranking": shares(none, [()] * len(none))})
    return rows


def table(report: dict) -> str:
    """Return the report as tables in Markdown."""
    heads = "asked", "true", "parameter", "median relative", "median absolute", "bias", "within 1, 2 spreads"
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in report["estimates"]:
        lines.append(
            f"| `{row['asked']}` | {row['true']} | {row['parameter']} | {row['median_relative']:.1%} "
            f"| {row['median_absolute']:.3g} | {row['bias']:+.3g} "
            f"| {row['within_1_spread']:.0%}, {row['within_2_spread']:.0%} |"
        )
        if isinstance(row.get("skimage"), dict):
            other = row["skimage"]
            lines.append(
                f"| by scikit-image | as asked | {row['parameter']} | {other['median_relative']:.1%} "
                f"| {other['median_absolute']:.3g} | {other['bias']:+.3g} | |"
            )
    lines += ["", "| damages | pictures | first | within three | rules: first | within three |", "|---" * 6 + "|"]
    for row in report["rankings"]:
        ours, rules = row["ranking"], row.get("rules")
        lines.append(
            f"| {row['damages']} | {row['pictures']} | {ours['first']:.0%} | {ours['within_three']:.0%} "
            + (f"| {rules['first']:.0%} | {rules['within_three']:.0%} |" if rules else "| | |")
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", help="a folder or zip archive of clean pictures of the prior's size")
    parser.add_argument("--prior", default=generators.DEFAULT)
    parser.add_argument("--count", type=int, default=50, help="number of pictures for the estimates")
    parser.add_argument("--singles", type=int, default=200)
    parser.add_argument("--doubles", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    prior = generators.load(options.prior)
    report = {"torch": torch.__version__, **vars(options)}
    clean = pictures_of(options.pictures, 0, options.count)
    report["estimates"] = [row for spec in ESTIMATED for row in estimates(prior, clean, spec, options.seed)]
    # These pictures were neither used for the estimates nor during the development of the ranking.
    clean = pictures_of(options.pictures, 350, options.singles)
    report["rankings"] = rankings(prior, clean, (options.singles, options.doubles), options.seed)
    print(table(report), file=sys.stderr)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
