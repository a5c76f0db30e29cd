"""The entry of rows into a stage: converted latents, captured norms, released layers; anew, or from a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.release import plan_release
from dgp.engine.stage import StageRun
from dgp.engine.stage_options import Stage
from dgp.optim.gradient import GradientDescent, RowOptimizers
from dgp.optim.lbfgs import LBFGS
from dgp.optim.schedules import SCHEDULES
from dgp.optim.update import AnchoredConstraint, Update, UpdatePlan
from dgp.rendering.renderer import Renderer
from dgp.variables.constraints import Constraint, Unconstrained
from dgp.variables.rows import Rows

SOLVERS = {"gradient": GradientDescent, "l-bfgs": lambda plan, optimizers: LBFGS(plan)}


@dataclass(frozen=True)
class Entry:
    """Rows as they enter a stage, or as they are in the midst of it.

    Attributes:
        rows: N rows, whose tensors the stage updates in place.
        starts: values of the variables at the start of the run, by name, each (N, ...).
        anchors: values that constraints refer to, by variable, each (N, ...).
    """

    rows: Rows
    starts: dict[str, Tensor]
    anchors: dict[str, Tensor]

    def state_dict(self) -> dict:
        """Return all tensors, as ``from_state_dict`` takes them."""
        return {"rows": self.rows.state_dict(), "starts": self.starts, "anchors": self.anchors}

    @classmethod
    def from_state_dict(cls, state: dict) -> Entry:
        """Return the entry of a ``state_dict``."""
        return cls(Rows.from_state_dict(state["rows"]), state["starts"], state["anchors"])


def begin_stage(
    stage: Stage,
    number: int,
    *,
    evaluator: Evaluator,
    rows: Rows,
    optimizers: RowOptimizers,
    constraints: Mapping[str, Constraint],
    starts: dict[str, Tensor],
) -> StageRun:
    """Convert latents, capture norms and release layers as a stage asks, and return its run.

    Args:
        stage: options of the stage.
        number: index of the stage in its run.
        evaluator: renders and scores rows.
        rows: rows that enter the stage; the run updates their tensors in place.
        optimizers: of the run; their state is carried on.
        constraints: of the variables that the recipe names; a stage's own come first.
        starts: values of the variables at the start of the run, by name, each (N, ...).
    """
    evaluator = evaluator.at(stage.resolution)
    entry = _enter(stage, evaluator.renderer, rows, constraints, starts)
    run = _make_run(stage, number, evaluator, optimizers, constraints, entry)
    run.solver.begin()
    return run


def resume_stage(
    stage: Stage,
    number: int,
    *,
    evaluator: Evaluator,
    optimizers: RowOptimizers,
    constraints: Mapping[str, Constraint],
    state: dict,
) -> StageRun:
    """Return the run of a stage that goes on from the ``save_stage`` of it; the other arguments as ``begin_stage``."""
    entry = Entry.from_state_dict(state["entry"])
    run = _make_run(stage, number, evaluator.at(stage.resolution), optimizers, constraints, entry)
    run.load_state_dict(state["run"])
    return run


def save_stage(run: StageRun) -> dict | None:
    """Return the state of a stage between two steps, or None where its solver cannot tell its own."""
    state = run.state_dict()
    anchors = {name: one.anchor for name, one in run.solver.plan.constraints.items()}
    entry = Entry(run.rows, run.starts, anchors)
    return None if state is None else {"entry": entry.state_dict(), "run": state}


def _enter(
    stage: Stage,
    renderer: Renderer,
    rows: Rows,
    constraints: Mapping[str, Constraint],
    starts: dict[str, Tensor],
) -> Entry:
    """Return the rows with the variables and released weights of the stage; arguments as ``begin_stage``."""
    values, weights = dict(rows.values), dict(rows.weights)
    if stage.convert is not None:
        values = renderer.convert(rows, stage.convert)
        starts = starts | {name: value.clone() for name, value in values.items() if name not in rows.values}
    captured = [name for name in values if name.startswith("norm[")]
    if stage.norm == "instance" and not captured:
        values |= renderer.capture_norm(replace(rows, values=values))
    if stage.norm == "batch":
        values = {name: value for name, value in values.items() if name not in captured}
    parameters = dict(renderer.prior.generator.named_parameters())
    for name in _plan_release(stage, renderer):
        if name not in weights:
            stored = parameters[name].detach()
            weights[name] = stored.expand(len(rows), *stored.shape).clone()
    anchors = {
        name: values[name].detach().clone() if constraint.anchor == "stage" else starts[name]
        for name, constraint in _constraints_of(stage, constraints).items()
    }
    return Entry(replace(rows, values=values, weights=weights), starts, anchors)


def _make_run(
    stage: Stage,
    number: int,
    evaluator: Evaluator,
    optimizers: RowOptimizers,
    constraints: Mapping[str, Constraint],
    entry: Entry,
) -> StageRun:
    """Return the run of a stage whose solver has not begun; arguments as ``begin_stage``."""
    updates = {
        name: Update(stage.lr_of(name), move, SCHEDULES[move.curve], reset=move.state == "reset")
        for name, move in stage.move.items()
    }
    released = _plan_release(stage, evaluator.renderer)
    values = {name: value.detach().requires_grad_(name in updates) for name, value in entry.rows.values.items()}
    weights = {name: weight.detach().requires_grad_(name in released) for name, weight in entry.rows.weights.items()}
    anchored = {
        name: AnchoredConstraint(constraint, entry.anchors[name])
        for name, constraint in _constraints_of(stage, constraints).items()
    }
    plan = UpdatePlan(values | weights, updates | released, anchored)
    rows, solver = replace(entry.rows, values=values, weights=weights), SOLVERS[stage.solver](plan, optimizers)
    return StageRun(stage, number, evaluator=evaluator, rows=rows, solver=solver, starts=entry.starts)


def _plan_release(stage: Stage, renderer: Renderer) -> dict[str, Update]:
    """Return the updates of the parameters that a stage releases, by name."""
    return plan_release(stage.release, renderer.prior.generator) if stage.release else {}


def _constraints_of(stage: Stage, constraints: Mapping[str, Constraint]) -> dict[str, Constraint]:
    """Return the constraints of a stage by variable: its own, else those of the recipe."""
    chosen = {name: move.constraint or constraints.get(name, Unconstrained()) for name, move in stage.move.items()}
    return {name: constraint for name, constraint in chosen.items() if not isinstance(constraint, Unconstrained)}
