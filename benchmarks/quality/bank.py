"""What the bank is worth: its few exact evaluations against the best of thousands of fresh candidates.

    python benchmarks/quality/bank.py cifar10-dev.zip --count 5000 10000 > bank.json

For each degradation, with the class told and not told, and for each objective: over real pictures (those of the
archive, whose folders name the classes) the median of best by the bank minus best of the fresh ones, and how often
the bank's is as good or better. Then what a lookup takes beside a whole run. Prints JSON. See README.md beside this.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

import generators
from dgp.evaluation.source import CleanPicture, Source
from dgp.inversion import Inversion
from dgp.losses.objective import score
from dgp.losses.prediction import Targets, View
from dgp.losses.terms import TERMS, Term
from dgp.observation.observation import Observation, observe
from dgp.recipes.recipe import load_recipe
from dgp.search.bank import BankSearch
from dgp.search.lookup import nearest_first
from generators import Prior
from generators.statistics.bank import bank_of

OBJECTIVES = {
    "features + mse": ({"kind": "features", "last": 3}, {"kind": "mse"}),
    "mse": ({"kind": "mse"},),
}
CHUNK = 64


def terms_of(objective: str) -> tuple[Term, ...]:
    return tuple(TERMS.parse(term) for term in OBJECTIVES[objective])


@torch.no_grad()
def best_fresh(prior: Prior, problems: dict[str, list[Observation]], told: bool, count: int) -> dict[str, Tensor]:
    """By degradation, (pictures, objectives): the lowest of ``count`` candidates of the told class, or of all classes.

    The pictures of a class share their candidates; what a discriminator sees of a candidate is computed once.
    """
    some = next(iter(problems.values()))
    size, classes = (prior.generator.info.resolution,) * 2, len(prior.generator.info.classes)
    targets = {spec: Targets(observations, prior.discriminator, size) for spec, observations in problems.items()}
    best = {spec: torch.full((len(some), len(OBJECTIVES)), torch.inf) for spec in problems}
    pools = {label: [i for i, o in enumerate(some) if o.label == label] for label in {o.label for o in some}}
    for label, members in pools.items() if told else [(None, range(len(some)))]:
        random = torch.Generator().manual_seed(10_000 + (0 if label is None else label))
        labels = torch.arange(count) % classes if label is None else torch.full((count,), label)
        latents = prior.generator.sample(count, classes=labels, generator=random)
        for start in range(0, count, CHUNK):
            image = prior.generator({name: value[start : start + CHUNK] for name, value in latents.items()})
            for spec, target in targets.items():
                first = View(target, image, {}, torch.zeros(len(image), dtype=torch.long))
                for picture in members:
                    view = View(target, image, {}, torch.full((len(image),), picture))
                    view.features = first.features
                    for number, objective in enumerate(OBJECTIVES):
                        lowest = score(terms_of(objective), view).total.min()
                        best[spec][picture, number] = torch.minimum(best[spec][picture, number], lowest)
    return best


def best_of_bank(prior: Prior, observations: Sequence[Observation], search: BankSearch) -> Tensor:
    """(pictures,)"""
    inversion = Inversion(observations, prior, load_recipe("default").model_copy(update={"searches": (search,)}))
    problem = inversion.problem
    return problem.rank(search.run(problem, None), inversion.recipe.searches[0].terms)


def seconds(action: Callable[[], object], repeats: int) -> float:
    """Of a processor, the least of some."""
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        action()
        taken.append(time.process_time() - begin)
    return min(taken)


def comparisons(prior: Prior, clean: Sequence[CleanPicture], told: bool, options: argparse.Namespace) -> Iterator[dict]:
    def seen(spec: str, told: bool) -> list[Observation]:
        return [observe(c.picture, spec, prior, simulate=True, label=c.folder if told else None) for c in clean]

    fresh = best_fresh(prior, {spec: seen(spec, True) for spec in options.degradations}, told, options.fresh)
    for spec in options.degradations:
        observations = seen(spec, told)
        for number, objective in enumerate(OBJECTIVES):
            for count in options.count:
                for how in ({"nearest": 64, "rounds": 0}, {}):
                    search = BankSearch(count=count, terms=terms_of(objective), **how)
                    difference = best_of_bank(prior, observations, search) - fresh[spec][:, number]
                    yield {
                        "degradation": spec,
                        "class": "told" if told else "not told",
                        "objective": objective,
                        "count": count,
                        "scored": f"{search.nearest} + {search.rounds} x {search.children}",
                        "fresh": fresh[spec][:, number].median().item(),
                        "difference": difference.median().item(),
                        "as_good": (difference <= 0).float().mean().item(),
                    }


def lookups(prior: Prior, clean: Sequence[CleanPicture], options: argparse.Namespace) -> Iterator[dict]:
    for spec in options.degradations:
        observation = observe(clean[0].picture, spec, prior, simulate=True)
        targets = Inversion(observation, prior).problem.targets
        run_s = seconds(lambda o=observation: Inversion(o, prior).result(), 1)
        for count in options.count:
            bank = bank_of(prior, count)
            taken = seconds(lambda t=targets, b=bank: nearest_first(t, b), 5)
            held = bank.thumbnails.nbytes + sum(value.nbytes for value in bank.drawn.values())
            yield {"degradation": spec, "count": count, "megabytes": held / 1e6, "cpu_s": taken, "run_cpu_s": run_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", help="a folder or zip archive of clean pictures, in folders named after classes")
    parser.add_argument("--prior", default=generators.DEFAULT)
    parser.add_argument("--per-class", type=int, default=3)
    parser.add_argument("--degradations", nargs="+", default=["gray", "sr:4", "inpaint:center=1/3"])
    parser.add_argument("--count", nargs="+", type=int, default=[BankSearch.model_fields["count"].default])
    parser.add_argument("--fresh", type=int, default=5000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    prior, source = generators.load(options.prior), Source(options.pictures)
    clean = source.open(source.choose(per_class=options.per_class))
    report = {"torch": torch.__version__, **vars(options), "lookup": list(lookups(prior, clean, options))}
    report["comparisons"] = [one for told in (True, False) for one in comparisons(prior, clean, told, options)]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
