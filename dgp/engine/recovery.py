"""Recovery of rows whose objective is no number: back to where it was one, with half the step; then they stop."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from dgp.engine.best_rows import copy_rows
from dgp.optim.gradient import GradientDescent
from dgp.optim.lbfgs import LBFGS
from dgp.variables.rows import Rows

WATCH_EVERY = 16  # steps between two looks, each of which waits for the device

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Divergence:
    """An objective that became NaN or infinite.

    Attributes:
        row: index of the row in its stage.
        iteration: index of the step in the stage; the number of steps, where the answer of the stage is concerned.
        recovered: whether the row went on; otherwise it stopped.
    """

    row: int
    iteration: int
    recovered: bool


@dataclass(frozen=True)
class Found:
    """What a look at the objectives found, (N,) bool on the CPU each.

    Attributes:
        returned: rows that were sent back, and are not updated in this step.
        stopped: rows that stop.
    """

    returned: Tensor
    stopped: Tensor


class Recovery:
    """Watches the objective of every row of a stage, each by itself.

    Every ``WATCH_EVERY`` steps the rows whose objectives were all finite are remembered. A row with another objective
    goes back to where it was remembered, without its optimizer's state and with half the step to the end of the stage.
    The second time it stops there. With a solver that needs an exact objective, which keeps the best and cannot be set
    back, it stops the first time.

    Args:
        rows: N rows, whose tensors are updated in place.
        solver: updates them.

    Attributes:
        divergences: what was found so far.
    """

    def __init__(self, rows: Rows, solver: GradientDescent | LBFGS):
        self.rows, self.solver = rows, solver
        self.every = 1 if solver.exact else WATCH_EVERY
        self.divergences: list[Divergence] = []
        self._good: Rows | None = None  # copies of rows, whose objective was finite where ``_known``
        self._known = torch.zeros(len(rows), dtype=torch.bool)
        self._totals: list[Tensor] = []  # objectives since the last look
        self._first = 0  # index of the step that the first of them belongs to

    def watch(self, iteration: int, totals: Tensor, active: Tensor) -> Found:
        """Look at the objectives of the steps since the last look, if it is time; to be called before an update.

        Args:
            iteration: index of the step.
            totals: the objective of all rows, (N,).
            active: rows that were evaluated in this step, (N,) bool on the CPU.
        """
        self._totals.append(totals)
        if iteration % self.every:
            return Found(torch.zeros_like(active), torch.zeros_like(active))
        bad, since = self._look(active)
        if bad.any():
            stopped = bad & (self._rows_where(recovered=True) | ~self._known)
            self._send_back(bad & self._known)
            self.solver.restart((bad & ~stopped).nonzero()[:, 0].tolist())
            self.solver.forget(stopped.nonzero()[:, 0].tolist())
            self._record(bad, stopped, since)
        else:
            stopped = bad
        self._remember(active & ~bad)
        return Found(bad & ~stopped, stopped)

    def settle(self, scores: Tensor) -> Tensor:
        """Send rows back that diverged before the end of the stage; return which, (N,) bool on the CPU.

        Args:
            scores: the objective of all rows as they are, (N,).
        """
        self._totals.append(scores)
        bad, since = self._look(~self._rows_where(recovered=False))
        if bad.any():
            self._send_back(bad & self._known)
            self.solver.forget(bad.nonzero()[:, 0].tolist())
            self._record(bad, bad, since)
        return bad & self._known

    def state_dict(self) -> dict:
        """Return what the next step depends on."""
        return {
            "good": None if self._good is None else self._good.state_dict(),
            "known": self._known,
            "totals": self._totals,
            "first": self._first,
            "divergences": [asdict(one) for one in self.divergences],
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a ``state_dict``."""
        self._good = None if state["good"] is None else Rows.from_state_dict(state["good"])
        self._known, self._totals, self._first = state["known"], list(state["totals"]), state["first"]
        self.divergences = [Divergence(**one) for one in state["divergences"]]
        self.solver.halve(self._rows_where(recovered=True).nonzero()[:, 0].tolist())

    def _rows_where(self, recovered: bool) -> Tensor:
        """Return which rows diverged and went on, or stopped, (N,) bool."""
        found = torch.zeros_like(self._known)
        found[[one.row for one in self.divergences if one.recovered == recovered]] = True
        return found

    def _look(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return which of ``rows`` (N,) had an objective that is no number lately, and in which step first, (N,)."""
        finite = torch.stack(self._totals).isfinite().cpu()
        since = self._first + (~finite).int().argmax(0)
        self._first += len(finite)
        self._totals.clear()
        return ~finite.all(0) & rows, since

    @torch.no_grad()
    def _send_back(self, mask: Tensor) -> None:
        """Write the remembered values into the rows of ``mask`` (N,)."""
        if mask.any():
            _copy(self._good, self.rows, mask)

    @torch.no_grad()
    def _remember(self, mask: Tensor) -> None:
        """Remember the values of the rows of ``mask`` (N,)."""
        if self.solver.exact:
            return
        if self._good is None:
            self._good = self.rows.take(torch.arange(len(self.rows)))
        elif mask.any():
            _copy(self.rows, self._good, mask)
        self._known |= mask

    def _record(self, bad: Tensor, stopped: Tensor, since: Tensor) -> None:
        for row in bad.nonzero()[:, 0].tolist():
            found = Divergence(row, int(since[row]), not stopped[row])
            self.divergences.append(found)
            logger.warning("an objective is no number", extra=asdict(found))


def _copy(source: Rows, target: Rows, mask: Tensor) -> None:
    """Copy the rows of ``mask`` (N,) bool on the CPU."""
    for given, taken in ((source.values, target.values), (source.weights, target.weights)):
        for name, tensor in taken.items():
            copy_rows(given[name].detach(), tensor.detach(), mask.to(tensor.device, non_blocking=True))
