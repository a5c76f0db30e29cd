"""The bank search, with few exact evaluations, compared with the best of thousands of fresh candidates.

    python benchmarks/quality/bank.py cifar10-dev.zip --count 5000 10000 > bank.json

For each degradation and objective, with the class given and not given, over the pictures of the archive (whose folders
name the classes): the median of the bank's best score minus the best fresh score, and how often the bank is as good or
better. Also the time of a lookup compared with that of a whole run. The script prints JSON. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

import generators
from dgp.api import observe
from dgp.evaluation.source import CleanPicture, Source
from dgp.inversion import Inversion
from dgp.losses.objective import Objective
from dgp.losses.prediction import Prediction
from dgp.losses.terms import TERMS, Term
from dgp.observation.batch import stack_observations
from dgp.observation.observation import Observation
from dgp.recipes.load import load_recipe
from dgp.search.bank import BankSearch
from dgp.search.lookup import order_by_distance
from generators import Prior, get_bank

OBJECTIVES = {
    "features + mse": ({"kind": "features", "last": 3}, {"kind": "mse"}),
    "mse": ({"kind": "mse"},),
}
CHUNK = 64  # candidates that are rendered together


def terms_of(objective: str) -> tuple[Term, ...]:
    """Return the terms of an objective, by its name in `OBJECTIVES`."""
    return tuple(TERMS.parse(term) for term in OBJECTIVES[objective])


@torch.no_grad()
def best_fresh(
    prior: Prior, problems: dict[str, list[Observation]], class_given: bool, count: int
) -> dict[str, Tensor]:
    """Return the lowest score of fresh candidates for each picture and objective.

    The pictures of a class share their candidates, and the features of a candidate are computed once.

    Args:
        prior: the prior.
        problems: spec of a degradation -> the observations.
        class_given: draw the candidates from the class of each picture, rather than from all classes.
        count: number of candidates.

    Returns:
        spec -> (pictures, objectives).
    """
    observations = next(iter(problems.values()))
    size, classes = (prior.generator.info.resolution,) * 2, len(prior.generator.info.classes)
    targets = {spec: stack_observations(seen, prior.discriminator, size) for spec, seen in problems.items()}
    best = {spec: torch.full((len(observations), len(OBJECTIVES)), torch.inf) for spec in problems}
    pools = {
        label: [i for i, o in enumerate(observations) if o.label == label] for label in {o.label for o in observations}
    }
    for label, members in pools.items() if class_given else [(None, range(len(observations)))]:
        random = torch.Generator().manual_seed(10_000 + (0 if label is None else label))
        labels = torch.arange(count) % classes if label is None else torch.full((count,), label)
        latents = prior.generator.sample(count, classes=labels, generator=random)
        for start in range(0, count, CHUNK):
            image = prior.generator({name: value[start : start + CHUNK] for name, value in latents.items()})
            for spec, target in targets.items():
                first = Prediction(target, image, {}, torch.zeros(len(image), dtype=torch.long))
                for picture in members:
                    view = Prediction(target, image, {}, torch.full((len(image),), picture))
                    view.features = first.features
                    for number, objective in enumerate(OBJECTIVES):
                        lowest = Objective(terms_of(objective))(view).total.min()
                        best[spec][picture, number] = torch.minimum(best[spec][picture, number], lowest)
    return best


def best_of_bank(prior: Prior, observations: Sequence[Observation], search: BankSearch) -> Tensor:
    """Return the lowest score that a bank search finds for each picture, (pictures,)."""
    inversion = Inversion(observations, prior, load_recipe("default").model_copy(update={"searches": (search,)}))
    rows = search.run(inversion.evaluator, inversion.source, None)
    scores = inversion.evaluator.score(rows, inversion.recipe.searches[0].terms)
    return torch.stack([scores[rows.picture == picture].min() for picture in range(len(observations))])


def seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the shortest process time of several calls."""
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        action()
        taken.append(time.process_time() - begin)
    return min(taken)


def comparisons(
    prior: Prior, clean: Sequence[CleanPicture], class_given: bool, options: argparse.Namespace
) -> Iterator[dict]:
    """Yield the comparison for each degradation, objective, size of the bank and kind of bank search."""

    def observations_of(spec: str, class_given: bool) -> list[Observation]:
        return [observe(c.picture, spec, prior, simulate=True, label=c.folder if class_given else None) for c in clean]

    problems = {spec: observations_of(spec, True) for spec in options.degradations}
    fresh = best_fresh(prior, problems, class_given, options.fresh)
    for spec in options.degradations:
        observations = observations_of(spec, class_given)
        for number, objective in enumerate(OBJECTIVES):
            for count in options.count:
                for settings in ({"nearest": 64, "rounds": 0}, {}):
                    search = BankSearch(count=count, terms=terms_of(objective), **settings)
                    difference = best_of_bank(prior, observations, search) - fresh[spec][:, number]
                    yield {
                        "degradation": spec,
                        "class": "told" if class_given else "not told",
                        "objective": objective,
                        "count": count,
                        "scored": f"{search.nearest} + {search.rounds} x {search.children}",
                        "fresh": fresh[spec][:, number].median().item(),
                        "difference": difference.median().item(),
                        "as_good": (difference <= 0).float().mean().item(),
                    }


def lookups(prior: Prior, clean: Sequence[CleanPicture], options: argparse.Namespace) -> Iterator[dict]:
    """Yield the time of a lookup and the memory of the bank, for each degradation and size of the bank."""
    for spec in options.degradations:
        observation = observe(clean[0].picture, spec, prior, simulate=True)
        targets = Inversion(observation, prior).batch
        run_s = seconds(lambda o=observation: Inversion(o, prior).result(), 1)
        for count in options.count:
            bank = get_bank(prior, count)
            taken = seconds(lambda t=targets, b=bank: order_by_distance(t, b), 5)
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
    report["comparisons"] = [one for given in (True, False) for one in comparisons(prior, clean, given, options)]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
