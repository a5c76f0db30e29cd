"""Which rows of an answer are kept: those of lowest objective, or the most typical ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dgp.rendering.renderer import Renderer
from dgp.variables.rows import Rows


def rank_by_objective(rows: Rows, scores: Tensor, renderer: Renderer) -> Tensor:
    """Return the objective of each row, (N,), as it is."""
    return scores


def rank_by_medoid(rows: Rows, scores: Tensor, renderer: Renderer) -> Tensor:
    """Return the mean squared distance of each row's picture to those of the other rows of its answer.

    If every row is as likely as another to be the truth, the row of least mean squared distance to the others is the
    choice of least expected squared error. Where an observation leaves the answer open, as a grey one leaves colours,
    the objective cannot tell a plausible row from an odd one, and the odd one is far from all others.

    Args:
        rows: N rows.
        scores: the objective, (N,); a row whose objective is not finite is neither chosen nor compared with.
        renderer: renders the rows.

    Returns:
        (N,), infinite where the objective is not finite.
    """
    images, distances = renderer.render(rows).flatten(1).double(), torch.full_like(scores, torch.inf)
    finite = scores.isfinite()
    for start, stop in rows.blocks():
        index = start + finite[start:stop].nonzero()[:, 0]
        own = images[index]
        squares = (own[:, None] - own[None]).square().mean(2)
        distances[index] = (squares.sum(1) / max(len(own) - 1, 1)).to(scores)
    return distances


# The values of a recipe's ``choose``. Each returns (N,), and the rows with the lowest values are kept.
SELECTIONS: dict[str, Callable[[Rows, Tensor, Renderer], Tensor]] = {
    "objective": rank_by_objective,
    "medoid": rank_by_medoid,
}
