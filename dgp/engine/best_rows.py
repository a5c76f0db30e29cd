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
        # An objective that is no number is lower than nothing, and any other is lower than it.
        lower = (scores < self._scores) | (scores.isfinite() & ~self._scores.isfinite())
        if index is not None:
            lower &= torch.zeros_like(lower).index_fill(0, index.to(lower.device, non_blocking=True), True)
        # Asking whether any row is better would wait for a device; on the CPU it saves the copies.
        if lower.device.type == "cpu" and not lower.any():
            return
        copy_rows(scores, self._scores, lower)
        for best, now in ((self._best.values, self.rows.values), (self._best.weights, self.rows.weights)):
            for name, tensor in best.items():
                copy_rows(now[name].detach(), tensor, lower)

    @torch.no_grad()
    def restore(self) -> Tensor:
        """Write the best values back into the rows; return their objective, (N,)."""
        for now, best in ((self.rows.values, self._best.values), (self.rows.weights, self._best.weights)):
            for name, tensor in now.items():
                tensor.copy_(best[name])
        return self._scores

    def state_dict(self) -> dict | None:
        """Return the best rows and their objective, or None before the first ``update``."""
        return None if self._best is None else {"rows": self._best.state_dict(), "scores": self._scores}

    def load_state_dict(self, state: dict | None) -> None:
        """Go on from a ``state_dict``."""
        if state is not None:
            self._best, self._scores = Rows.from_state_dict(state["rows"]), state["scores"]


def copy_rows(source: Tensor, target: Tensor, mask: Tensor) -> None:
    """Copy the rows of ``source`` (N, ...) where ``mask`` (N,) is true into ``target``."""
    torch.where(mask.view(-1, *[1] * (target.ndim - 1)), source, target, out=target)
