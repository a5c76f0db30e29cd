"""Keeping the best of each row over the steps of a stage."""

from __future__ import annotations

import torch
from torch import Tensor

from dgp.variables.rows import Rows


class BestRows:
    """Remembers, row by row, the variables and weights of the lowest objective.

    Args:
        rows: N rows, whose values are copied by ``update``.
    """

    def __init__(self, rows: Rows):
        self.rows = rows
        self._best: Rows | None = None
        self._scores: Tensor | None = None

    def update(self, scores: Tensor, index: Tensor | None = None) -> None:
        """Copy the rows whose objective is lower than ever before.

        Args:
            scores: the objective of all rows, (N,).
            index: rows that were evaluated, (n,); None: all.
        """
        if self._best is None:
            self._scores, self._best = scores.clone(), self.rows.take(torch.arange(len(self.rows)))
            return
        lower = scores < self._scores
        better = lower.nonzero()[:, 0] if index is None else index[lower[index].cpu()]
        if len(better) == 0:
            return
        self._scores[better] = scores[better]
        for best, now in ((self._best.values, self.rows.values), (self._best.weights, self.rows.weights)):
            for name, tensor in best.items():
                tensor[better] = now[name].detach()[better]

    @torch.no_grad()
    def restore(self) -> Tensor:
        """Write the best values back into the rows; return their objective, (N,)."""
        for now, best in ((self.rows.values, self._best.values), (self.rows.weights, self._best.weights)):
            for name, tensor in now.items():
                tensor.copy_(best[name])
        return self._scores
