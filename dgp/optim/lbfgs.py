"""L-BFGS (Liu and Nocedal 1989; Byrd et al. 1995 with bounds, as scipy has it) for many rows side by side.

Every row is a problem of its own, and where it goes next depends on that row alone. scipy calls the objective, while
rows shall be evaluated as one batch; so each row's solver runs in a thread, and waits in its objective until all have
been evaluated together.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue

import numpy as np
import torch
from torch import Tensor

from dgp.optim.gradient import Moved, Moving
from dgp.optim.row_optimizer import Stepper
from dgp.variables.constraints import change

# Steps and gradients that are remembered. A row takes about 25 float64 numbers for each that moves: of released weights
# of 30 million parameters 6 GB.
MEMORY = 10


class _Closed(Exception):
    """Nobody waits for this row any more."""


class Minimiser:
    """L-BFGS turned inside out: ``ask`` where it wants to know the objective, ``tell`` it.

    start (d,) float64.  bounds: (low, high), (d,) each, or None.
    """

    def __init__(self, start: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None = None):
        self._asked, self._told = SimpleQueue(), SimpleQueue()
        # Not a method of this object, so that a forgotten run does not keep its tensors alive.
        self._thread = threading.Thread(target=_minimise, args=(self._asked, self._told, start, bounds), daemon=True)
        self._thread.start()

    def ask(self) -> np.ndarray | None:
        """The next point (d,), None when there is none: the objective gets no lower. Raises what the solver raised."""
        point = self._asked.get()
        if isinstance(point, Exception):
            raise point
        return point

    def tell(self, value: float, gradient: np.ndarray) -> None:
        """The objective at the point that was asked for, and its gradient (d,)."""
        self._told.put((value, gradient))

    def close(self) -> None:
        """Ends it, wherever it is."""
        self._told.put(None)
        self._thread.join()


def _minimise(asked: SimpleQueue, told: SimpleQueue, start: np.ndarray, bounds: tuple | None) -> None:
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
            scale = 1 / abs(value) if value else 1.0  # tolerances are relative to where it begins
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
    except Exception as error:  # raised by `ask`, where somebody sees it
        asked.put(error)


class Polish:
    """Moves rows by L-BFGS: a step of the stage is one evaluation, and a row that gets no lower is done.

    The objective is taken at legal points. Bounds are the solver's own; under any other constraint it moves freely, and
    sees the objective of the legal point nearest to where it is, with the gradient of both.

    A learning rate is the length of the first trial step, and the unit of its variable beside others; optimisers,
    curves and momenta play no part. The objective must not be random: noise stays what it is.
    """

    exact = True

    def __init__(self, moving: Moving, stepper: Stepper):
        self.rates = {name: rate for name, (rate, _, _) in moving.rates.items() if rate}
        for name in moving.rates.keys() - self.rates.keys():
            moving.tensors[name].requires_grad_(False)  # there are no moments to gather
        self.tensors = {name: moving.tensors[name] for name in self.rates}
        kept = {name: pair for name, pair in moving.constraints.items() if name in self.rates}
        self.boxes = {name: constraint.box for name, (constraint, _) in kept.items() if constraint.box}
        self.constraints = {name: pair for name, pair in kept.items() if name not in self.boxes}
        self.free = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        bounds = self._bounds()
        self.minimisers = [Minimiser(start, bounds) for start in self._flat(self.free)]
        self._place(range(len(self.minimisers)))

    def _flat(self, tensors: dict[str, Tensor], gradients: bool = False) -> np.ndarray:
        """(N, ...) by name -> (N, d) in the units of the learning rates."""
        unit = lambda name: self.rates[name] if gradients else 1 / self.rates[name]  # noqa: E731
        parts = [tensor.double().flatten(1) * unit(name) for name, tensor in tensors.items()]
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

    def move(self, totals: Tensor, passed: float, rows: Tensor | None) -> Moved:
        """Tells every row that takes part what was seen, and goes where it wants to look next; as ``Descent.move``."""
        mine = range(len(totals)) if rows is None else rows.nonzero()[:, 0].tolist()
        values, gradients = totals.tolist(), self._flat(self._gradients(), gradients=True)
        for row in mine:
            self.minimisers[row].tell(values[row], gradients[row])
        return self._place(mine)

    def _gradients(self) -> dict[str, Tensor]:
        """Of the objective of the legal point, by where the solver is."""
        found = {}
        for name, tensor in self.tensors.items():
            found[name], tensor.grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad, None
        for name, (constraint, anchor) in self.constraints.items():
            free = self.free[name].requires_grad_()
            (found[name],) = torch.autograd.grad(constraint.apply(free, anchor), free, found[name])
            free.requires_grad_(False)
        return found

    @torch.no_grad()
    def _place(self, rows) -> Moved:
        """Puts the rows where their solvers want to look; one that is done stays."""
        asked = {row: self.minimisers[row].ask() for row in rows}
        done = torch.zeros(len(self.minimisers), dtype=torch.bool)
        done[[row for row, point in asked.items() if point is None]] = True
        asked = {row: point for row, point in asked.items() if point is not None}
        constrained = {name: torch.zeros(len(done), device=self.free[name].device) for name in self.constraints}
        if not asked:
            return Moved(constrained, done)
        index, points = torch.tensor(list(asked)), torch.from_numpy(np.stack(list(asked.values())))
        for (name, free), part in zip(self.free.items(), self._parts(points), strict=True):
            free[index] = (part * self.rates[name]).view(len(index), *free.shape[1:]).to(free)
            legal = free[index]
            if name in self.constraints:
                constraint, anchor = self.constraints[name]
                legal = constraint.apply(legal, anchor[index])
                constrained[name][index] = change(free[index], legal)
            self.tensors[name][index] = legal
        return Moved(constrained, done)

    def _parts(self, points: Tensor) -> tuple[Tensor, ...]:
        return points.split([tensor[0].numel() for tensor in self.free.values()], 1)

    def close(self) -> None:
        for minimiser in self.minimisers:
            minimiser.close()
