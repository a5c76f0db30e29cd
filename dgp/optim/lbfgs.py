"""L-BFGS for many rows side by side (Liu and Nocedal 1989; with bounds Byrd et al. 1995, as scipy implements it).

Every row is a problem of its own. scipy calls the objective, while the rows are to be evaluated as one batch; so each
row's solver runs in a thread that waits in its objective until all rows have been evaluated together.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np
import torch
from torch import Tensor

from dgp.optim.update import SolverOutput, UpdatePlan
from dgp.variables.constraints import rms_change

# Steps and gradients that are remembered. A row takes about 25 float64 numbers for each updated number: 6 GB for
# released weights of 30 million parameters.
MEMORY = 10
HISTORY_BYTES = 2**28  # of gradients that are remembered for a checkpoint; a longer stage is begun again when resumed


class _Closed(Exception):
    """Raised in the thread of a row that is no longer wanted."""


class Minimizer:
    """scipy's L-BFGS-B with inverted control: ``ask`` for the next point, ``tell`` the objective there.

    Args:
        start: first point, (d,) float64.
        bounds: (low, high), (d,) each, or None.
    """

    def __init__(self, start: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None):
        self._asked, self._told = SimpleQueue(), SimpleQueue()
        # A function, not a method of this object: a forgotten run must not keep its tensors alive.
        self._thread = threading.Thread(target=_minimize, args=(self._asked, self._told, start, bounds), daemon=True)
        self._thread.start()

    def ask(self) -> np.ndarray | None:
        """Return the next point, (d,); None when the objective gets no lower. Raises what the solver raised."""
        point = self._asked.get()
        if isinstance(point, Exception):
            raise point
        return point

    def tell(self, value: float, gradient: np.ndarray) -> None:
        """Give the objective at the last point and its gradient, (d,)."""
        self._told.put((value, gradient))

    def close(self) -> None:
        """End the thread."""
        self._told.put(None)
        self._thread.join()


def _minimize(asked: SimpleQueue, told: SimpleQueue, start: np.ndarray, bounds: tuple | None) -> None:
    from scipy.optimize import Bounds, minimize

    scale = None

    def objective(point):
        nonlocal scale
        asked.put(point.copy())
        answer = told.get()
        if answer is None:
            raise _Closed
        value, gradient = answer
        if scale is None:
            scale = 1 / abs(value) if value else 1.0  # tolerances are relative to the first objective
        return value * scale, gradient * scale

    # An iteration that gains less than 1e-14 of the first objective is the last.
    options = {"maxcor": MEMORY, "ftol": 1e-14, "gtol": 0.0, "maxfun": 2**31 - 1, "maxiter": 2**31 - 1, "maxls": 10}
    try:
        minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=None if bounds is None else Bounds(*bounds),
            options=options,
        )
        asked.put(None)
    except _Closed:
        pass
    except Exception as error:  # `ask` raises it in the thread of the caller
        asked.put(error)


@dataclass(frozen=True)
class Told:
    """What the solvers were told in one step.

    Attributes:
        rows: the rows that were told.
        totals: the objective of all rows.
        gradients: of all rows at the solvers' points, (N, ...) by name.
    """

    rows: list[int]
    totals: list[float]
    gradients: dict[str, Tensor]

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.gradients.values())


@dataclass
class History:
    """Everything that the solvers of a stage were told, up to ``HISTORY_BYTES``.

    Attributes:
        points: the first point of each row, (N, ...) by name.
        told: what was told in each step; None when it became too much.
    """

    points: dict[str, Tensor]
    told: list[Told] | None = field(default_factory=list)

    def append(self, told: Told) -> None:
        """Remember a step, or forget all if they have become too many bytes."""
        if self.told is not None:
            self.told.append(told)
            if sum(one.bytes for one in self.told) > HISTORY_BYTES:
                self.told = None

    def state_dict(self) -> dict | None:
        """Return the points and what was told; None if that was forgotten."""
        return None if self.told is None else {"points": self.points, "told": [vars(one) for one in self.told]}


class LBFGS:
    """Updates rows by L-BFGS: a step of the stage is one evaluation, and a row that gets no lower has converged.

    The objective is taken at points that satisfy the constraints. Bounds are passed to the solver. Under any other
    constraint the solver moves freely and sees the objective of the projected point, with the gradient through the
    projection.

    A learning rate is the length of the first trial step, and the unit of its variable relative to others; optimizers,
    schedules and momenta are not read. The objective must not be random.

    Args:
        plan: all updates of the stage.
    """

    exact = True

    def __init__(self, plan: UpdatePlan):
        self.plan = plan
        self.rates = {name: update.lr for name, update in plan.updates.items() if update.lr}
        self.resting = [plan.tensors[name] for name in plan.updates.keys() - self.rates.keys()]
        self.tensors = {name: plan.tensors[name] for name in self.rates}
        constraints = {name: one for name, one in plan.constraints.items() if name in self.rates}
        self.boxes = {name: one.constraint.box for name, one in constraints.items() if one.constraint.box}
        self.constraints = {name: one for name, one in constraints.items() if name not in self.boxes}
        self.free: dict[str, Tensor] = {}
        self.minimizers: list[Minimizer] = []
        self.history: History | None = None

    def begin(self) -> None:
        """Start a solver for each row, and move the rows to its first point."""
        self._start({name: tensor.detach().clone() for name, tensor in self.tensors.items()})

    def _start(self, points: dict[str, Tensor]) -> None:
        """Start a solver for each row at ``points``, (N, ...) by name."""
        for tensor in self.resting:
            tensor.requires_grad_(False)  # a rate of 0 gathers moments, and there are none
        self.free, self.history = {name: point.clone() for name, point in points.items()}, History(points)
        bounds = self._bounds()
        self.minimizers = [Minimizer(start, bounds) for start in self._flatten(self.free)]
        self._place(range(len(self.minimizers)))

    def _flatten(self, tensors: dict[str, Tensor], gradients: bool = False) -> np.ndarray:
        """Return (N, d) in the units of the learning rates, of tensors (N, ...) by name."""
        unit = lambda name: self.rates[name] if gradients else 1 / self.rates[name]  # noqa: E731
        parts = [tensor.double().reshape(len(tensor), -1) * unit(name) for name, tensor in tensors.items()]
        return torch.cat(parts, 1).cpu().numpy()

    def _bounds(self) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.boxes:
            return None
        sizes = {name: tensor[0].numel() for name, tensor in self.tensors.items()}
        edges = {name: self.boxes.get(name, (-np.inf, np.inf)) for name in sizes}
        low, high = (
            np.concatenate([np.full(size, edges[name][i] / self.rates[name]) for name, size in sizes.items()])
            for i in (0, 1)
        )
        return low, high

    def step(self, totals: Tensor, t: float, active: Tensor | None) -> SolverOutput:
        """Tell every active row its objective and gradient, and move it to its next point; as in GradientDescent."""
        rows = range(len(totals)) if active is None else active.nonzero()[:, 0].tolist()
        told = Told(list(rows), totals.tolist(), self._gradients())
        self.history.append(told)
        return self._tell(told)

    def _tell(self, told: Told) -> SolverOutput:
        """Tell the solvers of rows what was found at their points, and move the rows to the next ones."""
        gradients = self._flatten(told.gradients, gradients=True)
        for row in told.rows:
            self.minimizers[row].tell(told.totals[row], gradients[row])
        return self._place(told.rows)

    def state_dict(self) -> dict | None:
        """Return what the solvers were told, from which ``load_state_dict`` replays them; None if it was too much."""
        return self.history.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Go on from a ``state_dict``, in place of ``begin``: scipy cannot be asked for its state."""
        self._start(state["points"])
        for one in state["told"]:
            told = Told(**one)
            self.history.append(told)
            self._tell(told)

    def _gradients(self) -> dict[str, Tensor]:
        """Return the gradients of the objective at the projected point, by the solver's own point, and clear them."""
        found = {}
        for name, tensor in self.tensors.items():
            found[name], tensor.grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad, None
        for name, one in self.constraints.items():
            free = self.free[name].requires_grad_()
            (found[name],) = torch.autograd.grad(one.constraint.project(free, one.anchor), free, found[name])
            free.requires_grad_(False)
        return found

    @torch.no_grad()
    def _place(self, rows: Iterable[int]) -> SolverOutput:
        """Move rows to the points that their solvers ask for; a row that has converged stays."""
        asked = {row: self.minimizers[row].ask() for row in rows}
        converged = torch.zeros(len(self.minimizers), dtype=torch.bool)
        converged[[row for row, point in asked.items() if point is None]] = True
        asked = {row: point for row, point in asked.items() if point is not None}
        changes = {name: torch.zeros(len(converged), device=self.free[name].device) for name in self.constraints}
        if not asked:
            return SolverOutput(changes, converged)
        index, points = torch.tensor(list(asked)), torch.from_numpy(np.stack(list(asked.values())))
        for (name, free), part in zip(self.free.items(), self._split(points), strict=True):
            free[index] = (part * self.rates[name]).view(len(index), *free.shape[1:]).to(free)
            projected = free[index]
            if name in self.constraints:
                one = self.constraints[name]
                projected = one.constraint.project(projected, one.anchor[index])
                changes[name][index] = rms_change(free[index], projected)
            self.tensors[name][index] = projected
        return SolverOutput(changes, converged)

    def _split(self, points: Tensor) -> tuple[Tensor, ...]:
        return points.split([tensor[0].numel() for tensor in self.free.values()], 1)

    def restart(self, rows: list[int]) -> None:
        """Do nothing: rows that diverge stop."""

    forget = halve = restart

    def close(self) -> None:
        """End the solvers' threads."""
        for minimizer in self.minimizers:
            minimizer.close()
