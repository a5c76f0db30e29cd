"""Early stopping: which rows of a stage end before its last step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dgp.engine.evaluation import Evaluation
from dgp.optim.stopping import History, StoppingRule


class EarlyStopping:
    """Asks the stopping rules of a stage in every step.

    Args:
        rules: stopping rules; a row stops at the first that is reached.
        steps: steps of the stage.
        rows: number of rows.

    Attributes:
        measures: whether a rule reads residuals and noise floors.
    """

    def __init__(self, rules: Sequence[StoppingRule], steps: int, rows: int):
        self.rules = tuple(rules)
        self._steps, self._rows = steps, rows
        self._totals: Tensor | None = None
        self.measures = any(rule.measures for rule in self.rules)

    def reached(self, iteration: int, evaluation: Evaluation, spent: int) -> Tensor:
        """Return the rows that stop at this step, (N,) bool on the CPU.

        Args:
            iteration: index of the step in the stage.
            evaluation: of all rows, as last evaluated; with residuals if a rule ``measures``.
            spent: network passes that the stage has spent on each row.
        """
        if self._totals is None:
            self._totals = evaluation.total.new_empty(self._steps, self._rows)
        # An objective that is no number compares as the worst.
        self._totals[iteration] = evaluation.total.nan_to_num(torch.inf, torch.inf, -torch.inf)
        history = History(
            totals=self._totals[: iteration + 1],
            losses=evaluation.by_term,
            residual=evaluation.residual,
            noise_floor=evaluation.noise_floor,
            evaluations=spent,
        )
        # The only value that a step reads back: which rows the next step evaluates.
        return torch.stack([rule.reached(history) for rule in self.rules]).any(0).cpu()

    def state_dict(self) -> Tensor | None:
        """Return the objective of every step so far, (T, N), or None before the first."""
        return self._totals

    def load_state_dict(self, state: Tensor | None) -> None:
        """Go on from a ``state_dict``."""
        self._totals = state
