"""Derivative-free optimizers of nevergrad, one whole population at a time: ask for it, tell its losses."""

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

LEAST_POPULATION = 4  # of methods that recombine members
WITHOUT_POPULATION = ("one-plus-one", "random")
WIDEST_COVARIANCE = 2048  # dimensions of a full covariance matrix: 32 MB, and seconds for its eigenvectors
BROKEN = 1e20  # replaces losses that are not finite: above all others, below what nevergrad clips with a warning


def least_population(optimizer: Optimizer) -> int:
    """Return the smallest population that the optimizer takes."""
    return 1 if optimizer in WITHOUT_POPULATION else LEAST_POPULATION


def find_fault(optimizer: Optimizer, dimension: int, population: int) -> str | None:
    """Return why the optimizer cannot search so many dimensions with such a population, in one line; None if it can."""
    if population < least_population(optimizer):
        return f"got a population of {population}, expected at least {least_population(optimizer)} for {optimizer}"
    if optimizer == "cma" and dimension > WIDEST_COVARIANCE:
        return f"got cma over {dimension} numbers, expected at most {WIDEST_COVARIANCE}; use diagonal-cma"
    return None


def default_population(dimension: int) -> int:
    """Return ``4 + floor(3 ln d)``, Hansen's rule for CMA-ES."""
    return 4 + math.floor(3 * math.log(dimension))


class AskTell:
    """One search in R^d that starts at N(0, I) and evaluates whole populations.

    Args:
        optimizer: name of the method, see ``Optimizer``.
        dimension: d.
        population: members of a generation, at least 4 ("one-plus-one", "random": at least 1).
        generations: planned number of generations, which a few methods read.
        seed: of all its random numbers, 0 to 2^32 - 1; numpy's global state is neither read nor changed.
        refines: whether ``tell`` gets other points than ``ask`` returned.

    Raises:
        ValueError: see ``find_fault``.
    """

    def __init__(
        self, optimizer: Optimizer, dimension: int, population: int, generations: int, seed: int, refines: bool = False
    ):
        if why := find_fault(optimizer, dimension, population):
            raise ValueError(why)
        self.population = population
        ng = _nevergrad()
        space = ng.p.Array(shape=(dimension,))
        space.random_state = np.random.RandomState(seed)  # set, not seeded: reading it would draw one from numpy
        families = _families(ng, population, refines)
        self._optimizer = families[optimizer](space, budget=population * generations, num_workers=population)
        # NGOpt chooses another optimizer. Of a CMA it would not pass on the population size, and its metamodel fails
        # with numpy 2.4, so that in their place the CMA itself is made.
        if optimizer == "ngopt" and self._optimizer.optim.name in ("CMA", "DiagonalCMA", "MetaModel"):
            name = "cma" if dimension <= WIDEST_COVARIANCE else "diagonal-cma"
            self._optimizer = families[name](space, budget=population * generations, num_workers=population)
        self._asked = []

    def ask(self) -> Tensor:
        """Return the next population, (B, d) float64."""
        self._asked = [self._optimizer.ask() for _ in range(self.population)]
        return torch.from_numpy(np.stack([candidate.value for candidate in self._asked]))

    def tell(self, losses: Tensor, points: Tensor | None = None) -> None:
        """Give the losses of the population that was asked for last.

        Args:
            losses: of its members, (B,); losses that are not finite count as worse than all others.
            points: the points that the losses belong to, (B, d); None: those that ``ask`` returned.
        """
        asked, self._asked = self._asked, []
        if points is not None:
            points = points.detach().double().cpu().numpy()
            asked = [candidate.spawn_child(new_value=point) for candidate, point in zip(asked, points, strict=True)]
        losses = losses.detach().double().cpu().nan_to_num(BROKEN, BROKEN, BROKEN).clamp(max=BROKEN)
        for candidate, loss in zip(asked, losses.tolist(), strict=True):
            self._optimizer.tell(candidate, loss)


def _nevergrad():
    """Return nevergrad, imported when first needed (one to three seconds), with the pycma that it calls."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "could not import matplotlib", UserWarning)  # pycma would plot with it
        import cma  # noqa: F401
        import nevergrad
    return nevergrad


def _families(ng, population: int, refines: bool) -> dict:
    """Return the nevergrad family of every method, with the true population size.

    The methods that nevergrad registers by name choose another size for many dimensions, mix generations then, and
    fail inside pycma from 300 dimensions on.
    """
    families, adaptation = ng.families, _step_size_options(refines)
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


def _step_size_options(refines: bool) -> dict:
    """Return pycma's options for the adaptation of the step size.

    The cumulative rule takes about ``d / population`` generations to change anything, which is more than there are. The
    two-point rule is quicker, and needs the points that it asked for; where those are refined, the cumulative rule is
    used with less damping.
    """
    from cma import sigma_adaptation as rules

    class TwoPoint(rules.CMAAdaptSigmaTPA):
        def check_consistency(self, es):
            """Skip the check, which changes nothing and draws from numpy's global state."""

    return {"AdaptSigma": rules.CMAAdaptSigmaCSA, "CSA_dampfac": 0.3} if refines else {"AdaptSigma": TwoPoint}
