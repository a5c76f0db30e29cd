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
        if index is not None:
            lower &= torch.zeros_like(lower).index_fill(0, index.to(lower.device, non_blocking=True), True)
        # Asking whether any row is better would wait for a device; on the CPU it saves the copies.
        if lower.device.type == "cpu" and not lower.any():
            return
        _copy_rows(scores, self._scores, lower)
        for best, now in ((self._best.values, self.rows.values), (self._best.weights, self.rows.weights)):
            for name, tensor in best.items():
                _copy_rows(now[name].detach(), tensor, lower)

    @torch.no_grad()
    def restore(self) -> Tensor:
        """Write the best values back into the rows; return their objective, (N,)."""
        for now, best in ((self.rows.values, self._best.values), (self.rows.weights, self._best.weights)):
            for name, tensor in now.items():
                tensor.copy_(best[name])
        return self._scores


def _copy_rows(source: Tensor, target: Tensor, mask: Tensor) -> None:
    """Copy the rows of ``source`` (N, ...) where ``mask`` (N,) is true into ``target``."""
    torch.where(mask.view(-1, *[1] * (target.ndim - 1)), source, target, out=target)
