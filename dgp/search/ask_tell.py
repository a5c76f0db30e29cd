"""Derivative-free optimisers of nevergrad behind two words: ask for a population, tell what it is worth."""

from __future__ import annotations

import math
import warnings
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Optimizer = Literal[
    "cma", "diagonal-cma", "two-points-de", "de", "pso", "one-plus-one", "tbpsa", "random", "ngopt"
]  # fmt: skip

FEWEST = 4  # members with which methods that recombine a population make sense
WITHOUT_POPULATION = ("one-plus-one", "random")
WIDEST_COVARIANCE = 2048  # dimensions of a full covariance matrix: 32 MB, and seconds for its eigenvectors
BROKEN = 1e20  # the loss of a member that has none: above all others, below what nevergrad clips with a warning


def fewest(optimizer: Optimizer) -> int:
    """The smallest population that it takes."""
    return 1 if optimizer in WITHOUT_POPULATION else FEWEST


def fault(optimizer: Optimizer, dimension: int, population: int) -> str | None:
    """Why it cannot search so many dimensions with such a population, in one line; None where it can."""
    if population < fewest(optimizer):
        return f"got a population of {population}, expected at least {fewest(optimizer)} for {optimizer}"
    if optimizer == "cma" and dimension > WIDEST_COVARIANCE:
        return f"got cma over {dimension} numbers, expected at most {WIDEST_COVARIANCE}; use diagonal-cma"
    return None


def usual_population(dimension: int) -> int:
    """Hansen's rule for CMA-ES: ``4 + floor(3 ln d)``."""
    return 4 + math.floor(3 * math.log(dimension))


class AskTell:
    """One search in R^d that begins at N(0, I), and whose every batch is a whole population.

    Args:
        optimizer: which; see ``Optimizer``.  dimension: d.
        population: members of a generation, at least 4 ("one-plus-one", "random": at least 1).
        generations: how many are planned; a few methods plan by it.
        seed: of all its random numbers, 0 to 2^32 - 1; numpy's global state is neither read nor moved.
        moves: whether its members will have moved when they are told.

    Raises ValueError: see ``fault``.
    """

    def __init__(
        self, optimizer: Optimizer, dimension: int, population: int, generations: int, seed: int, moves: bool = False
    ):
        if why := fault(optimizer, dimension, population):
            raise ValueError(why)
        self.population = population
        ng = _nevergrad()
        space = ng.p.Array(shape=(dimension,))
        space.random_state = np.random.RandomState(seed)  # set, not seeded: reading it would draw one from numpy
        families = _families(ng, population, moves)
        self._optimizer = families[optimizer](space, budget=population * generations, num_workers=population)
        # NGOpt hands over to another. A CMA gets the true population size; a metamodel upon it, which numpy 2.4 breaks,
        # is that CMA alone.
        if optimizer == "ngopt" and self._optimizer.optim.name in ("CMA", "DiagonalCMA", "MetaModel"):
            name = "cma" if dimension <= WIDEST_COVARIANCE else "diagonal-cma"
            self._optimizer = families[name](space, budget=population * generations, num_workers=population)
        self._asked = []

    def ask(self) -> Tensor:
        """The next population (B, d), float64."""
        self._asked = [self._optimizer.ask() for _ in range(self.population)]
        return torch.from_numpy(np.stack([candidate.value for candidate in self._asked]))

    def tell(self, losses: Tensor, points: Tensor | None = None) -> None:
        """What the population last asked for is worth.

        losses (B,): of its members; those that are no finite number count as worse than all others.
        points (B, d): where its members have moved to meanwhile; None where they have not.
        """
        asked, self._asked = self._asked, []
        if points is not None:
            moved = points.detach().double().cpu().numpy()
            asked = [candidate.spawn_child(new_value=point) for candidate, point in zip(asked, moved, strict=True)]
        losses = losses.detach().double().cpu().nan_to_num(BROKEN, BROKEN, BROKEN).clamp(max=BROKEN)
        for candidate, loss in zip(asked, losses.tolist(), strict=True):
            self._optimizer.tell(candidate, loss)


def _nevergrad():
    """nevergrad, imported when first needed (one to three seconds), with the pycma that it calls."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "could not import matplotlib", UserWarning)  # pycma would plot with it
        import cma  # noqa: F401
        import nevergrad
    return nevergrad


def _families(ng, population: int, moves: bool) -> dict:
    """Of every method the nevergrad family with the true population size: the names that nevergrad registers take
    others for wide spaces, mix generations then, and fail inside pycma from 300 dimensions on."""
    families, adaptation = ng.families, _step_size(moves)
    return {
        "cma": families.ParametrizedCMA(popsize=population, inopts=adaptation),
        "diagonal-cma": families.ParametrizedCMA(popsize=population, diagonal=True, inopts=adaptation),
        "two-points-de": families.DifferentialEvolution(crossover="twopoints", popsize=population),
        "de": families.DifferentialEvolution(popsize=population),
        "pso": families.ConfPSO(transform="identity", popsize=population),
        "one-plus-one": ng.optimizers.OnePlusOne,
        "tbpsa": families.ParametrizedTBPSA(naive=False, initial_popsize=max(1, population // 4)),
        "random": ng.optimizers.RandomSearch,
        "ngopt": ng.optimizers.NGOpt,
    }


def _step_size(moves: bool) -> dict:
    """How CMA adapts its step size. pycma's cumulative rule takes about ``d / population`` generations to change
    anything, which is more than there are; its two-point rule is quicker, and needs its points where it asked for them.
    Of points that move, the cumulative rule with less damping."""
    from cma import sigma_adaptation as rules

    class TwoPoint(rules.CMAAdaptSigmaTPA):
        def check_consistency(self, es):
            """Left out: it changes nothing, and draws from numpy's global state."""

    return {"AdaptSigma": rules.CMAAdaptSigmaCSA, "CSA_dampfac": 0.3} if moves else {"AdaptSigma": TwoPoint}
