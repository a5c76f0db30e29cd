"""Early stopping: which rows of a stage end before its last step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dgp.losses.objective import Losses
from dgp.losses.prediction import Prediction
from dgp.losses.residual import expect_residual, measure_residual
from dgp.optim.stopping import History, StoppingRule


class EarlyStopping:
    """Asks the stopping rules of a stage in every step.

    Args:
        rules: stopping rules; a row stops at the first that is reached.
        steps: steps of the stage.
        rows: number of rows.
    """

    def __init__(self, rules: Sequence[StoppingRule], steps: int, rows: int):
        self.rules = tuple(rules)
        self._steps, self._rows = steps, rows
        self._totals: Tensor | None = None
        self._measures = any(rule.measures for rule in self.rules)

    def reached(self, iteration: int, losses: Losses, prediction: Prediction, evaluations: int) -> Tensor:
        """Return the rows that stop at this step, (N,) bool on the CPU.

        Args:
            iteration: index of the step in the stage.
            losses: of all rows, as last evaluated.
            prediction: of all rows, as last evaluated.
            evaluations: network passes that the stage has spent on each row.
        """
        if self._totals is None:
            self._totals = losses.total.new_empty(self._steps, self._rows)
        self._totals[iteration] = losses.total
        history = History(
            totals=self._totals[: iteration + 1],
            losses=losses.by_term,
            residual=measure_residual(prediction) if self._measures else None,
            noise_floor=expect_residual(prediction) if self._measures else None,
            evaluations=evaluations,
        )
        # The only value that a step reads back: which rows the next step evaluates.
        return torch.stack([rule.reached(history) for rule in self.rules]).any(0).cpu()
