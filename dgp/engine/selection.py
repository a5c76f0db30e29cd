"""Which of an answer's rows are kept: those of lowest objective, or the most typical ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from dgp.engine.evaluator import Problem
    from dgp.variables.rows import Rows


def by_objective(rows: Rows, scores: Tensor, problem: Problem) -> Tensor:
    """Return the objective of each row (N,) as it is."""
    return scores


def by_medoid(rows: Rows, scores: Tensor, problem: Problem) -> Tensor:
    """Return how far each row's picture is from those of the other rows of its answer.

    The row of least mean squared distance to the others is the choice of least expected squared error, if every row is
    as likely as another to be the truth: where an observation leaves the answer open, as a grey one leaves colours, the
    objective cannot tell a plausible row from an odd one, and the odd one is far from all others.

    Args:
        rows: N rows.
        scores: (N,), the objective; a row whose objective is not finite is neither chosen nor compared with.

    Returns:
        (N,), mean squared distances; infinite where the objective is not finite.
    """
    images, distances = problem.pictures(rows).flatten(1).double(), torch.full_like(scores, torch.inf)
    finite = scores.isfinite()
    for start, stop in rows.blocks():
        index = start + finite[start:stop].nonzero()[:, 0]
        own = images[index]
        apart = (own[:, None] - own[None]).square().mean(2)
        distances[index] = (apart.sum(1) / max(len(own) - 1, 1)).to(scores)
    return distances


# What a recipe's ``choose`` names. Each: (rows, objective (N,), problem) -> (N,), the lowest are kept.
CHOICES: dict[str, Callable[[Rows, Tensor, Problem], Tensor]] = {"objective": by_objective, "medoid": by_medoid}
