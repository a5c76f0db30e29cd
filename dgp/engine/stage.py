"""One stage of a run: certain variables and layers of all rows move under certain terms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from dgp.engine.evaluator import Problem
from dgp.losses.prediction import View
from dgp.optim.gradient import Descent, Moving
from dgp.optim.lbfgs import Polish
from dgp.optim.row_optimizer import Stepper
from dgp.optim.schedules import CURVES
from dgp.optim.stopping import Past, residual_and_floor
from dgp.recipes.recipe import Move, Recipe, Release, Variable
from dgp.variables.constraints import Constraint, Unconstrained
from dgp.variables.rows import Rows
from generators import Generator

SOLVERS = {"gradient": Descent, "l-bfgs": Polish}


@dataclass(frozen=True)
class Moment:
    """What one step saw, before it moved anything.

    image (N, 3, R, R); total (N,); losses by name, each (N,): of a row that has stopped, what was last seen of it.
    live (N,) bool on the CPU: the rows that were looked at.  stopped (N,) bool: those of them that go no further.
    constrained: how far constraints moved each row afterwards, by variable, (N,), root mean squares.
    """

    image: Tensor
    total: Tensor
    losses: dict[str, Tensor]
    live: Tensor | None = None
    stopped: Tensor | None = None
    constrained: dict[str, Tensor] = field(default_factory=dict)


class StageRun:
    """Stage ``number`` of a recipe at work on some rows. starts: the variables when the run began, by name."""

    def __init__(
        self, number: int, recipe: Recipe, problem: Problem, rows: Rows, stepper: Stepper, starts: dict[str, Tensor]
    ):
        self.number, self.stage = number, (stage := recipe.stages[number])
        self.problem, self.rows, self.starts = problem, rows, starts
        self.through = "sampled" if stage.predict == "sampled" else "forward"
        self.jitter = {name: move.jitter for name, move in stage.move.items() if move.jitter}
        self._convert()
        self._set_norm()
        rates = {name: (stage.lr_of(name), move.curve, move) for name, move in stage.move.items()}
        released = release_rates(stage.release, problem.prior.generator) if stage.release else {}
        self._set_moving(stage.move, released)
        moving = Moving(rows.values | rows.weights, rates | released, self._constraints(recipe))
        self.solver = SOLVERS[stage.solver](moving, stepper)
        self.keeps_best = stage.keep == "best" or self.solver.exact
        self.best: tuple[Tensor, Rows] | None = None
        self.live, self.seen, self.spent = torch.ones(len(rows), dtype=torch.bool), None, 0
        self.stops = [stop for stop in stage.stop if not stop.idle(problem.targets.operators)]
        self.totals = torch.empty(stage.steps if self.stops else 0, len(rows))

    def _constraints(self, recipe: Recipe) -> dict[str, tuple[Constraint, Tensor]]:
        """Of the variables that have one, with the value that each looks back to."""
        stated = {
            name: move.constraint or recipe.variables.get(name, Variable()).constraint
            for name, move in self.stage.move.items()
        }
        return {
            name: (one, self.rows.values[name].detach().clone() if one.anchor == "stage" else self.starts[name])
            for name, one in stated.items()
            if not isinstance(one, Unconstrained)
        }

    def _convert(self) -> None:
        if self.stage.convert is None:
            return
        values = self.problem.converted(self.rows, self.stage.convert)
        self.starts.update({n: value.clone() for n, value in values.items() if n not in self.rows.values})
        self.rows.values = values

    def _set_norm(self) -> None:
        captured = [name for name in self.rows.values if name.startswith("norm[")]
        if self.stage.norm == "instance" and not captured:
            self.rows.values.update(self.problem.capture_norm(self.rows))
        if self.stage.norm == "batch":
            for name in captured:
                del self.rows.values[name]

    def _set_moving(self, moves: dict[str, Move], released: dict[str, tuple]) -> None:
        parameters = dict(self.problem.prior.generator.named_parameters())
        for name in released:
            if name not in self.rows.weights:
                one = parameters[name].detach()
                self.rows.weights[name] = one.expand(len(self.rows), *one.shape).clone()
        for name, value in self.rows.values.items():
            value.requires_grad_(name in moves)
        for name, weight in self.rows.weights.items():
            weight.requires_grad_(name in released)

    @property
    def over(self) -> bool:
        """Whether every row has stopped."""
        return not self.live.any()

    def step(self, iteration: int) -> Moment:
        """Looks at the rows that have not stopped, keeps the best if asked to, asks who stops, and moves the others."""
        passed, live = iteration / self.stage.steps, self.live
        # Noise that is drawn anew decides nothing: what is best is decided under one that stays.
        anew = self.stage.stochastic and not self.solver.exact
        part = None if live.all() else live.nonzero()[:, 0]
        self._look(part, passed, f"{self.number} {iteration}" if anew else "score")
        if self.keeps_best:
            self._remember(self._scores(part) if anew else self.seen.total, part)
        self.spent += self.problem.passes(self.stage.terms) * (3 + (anew and self.keeps_best))
        stopped = self._stopping(iteration)
        going = live & ~stopped
        moved = self.solver.move(self.seen.total, passed, None if going.all() else going)
        if moved.done is not None:
            stopped = stopped | moved.done
        self.live = live & ~stopped
        return replace(self.seen, live=live, stopped=stopped, constrained=moved.constrained)

    def _look(self, part: Tensor | None, passed: float, occasion: str) -> None:
        """Evaluates the rows at ``part`` (None: all) into what is seen, and their gradients."""
        jitter = {name: amount * CURVES["fading"](passed) for name, amount in self.jitter.items()}
        seen = []
        for chunk in self.problem.chunks(len(self.rows) if part is None else part):
            image, score = self.problem.evaluate(self.rows, chunk, self.stage.terms, self.through, occasion, jitter)
            score.total.sum().backward()
            seen.append(Moment(image.detach(), score.total.detach(), score.losses))
        self.seen = joined(seen) if part is None else laid_over(self.seen, joined(seen), part)

    def _stopping(self, iteration: int) -> Tensor:
        """(N,) bool on the CPU: the live rows that stop here."""
        stopped = torch.zeros_like(self.live)
        if not self.stops:
            return stopped
        self.totals[iteration] = self.seen.total.cpu()
        measured = (None, None)
        if any(stop.measures for stop in self.stops):
            view = View(self.problem.targets, self.seen.image, self.rows.values, self.rows.picture)
            measured = tuple(values.cpu() for values in residual_and_floor(view))
        losses = {name: values.cpu() for name, values in self.seen.losses.items()}
        past = Past(self.totals[: iteration + 1], losses, *measured, self.spent)
        for stop in self.stops:
            stopped |= stop.reached(past)
        return stopped & self.live

    @torch.no_grad()
    def _scores(self, part: Tensor | None = None) -> Tensor:
        """(N,): the objective under noise that stays; of rows that are not at ``part``, what was last seen."""
        if part is None:
            return self.problem.rank(self.rows, self.stage.terms, self.through)
        scores = self.seen.total.clone()
        for chunk in self.problem.chunks(part):
            scores[chunk] = self.problem.evaluate(self.rows, chunk, self.stage.terms, self.through)[1].total
        return scores

    def _remember(self, totals: Tensor, part: Tensor | None = None) -> None:
        """Keeps, row by row, the variables and weights with the lowest objective so far, of the rows at ``part``."""
        if self.best is None:
            self.best = totals.clone(), self.rows.take(torch.arange(len(self.rows)))
            return
        lowest, kept = self.best
        lower = totals < lowest
        better = lower.nonzero()[:, 0] if part is None else part[lower[part].cpu()]
        if len(better) == 0:
            return
        lowest[better] = totals[better]
        for mine, theirs in ((kept.values, self.rows.values), (kept.weights, self.rows.weights)):
            for name, tensor in mine.items():
                tensor[better] = theirs[name].detach()[better]

    def leave(self) -> tuple[Rows, Tensor]:
        """The rows that leave the stage and the objective of each (N,)."""
        scores = self._scores()
        if self.keeps_best:
            self._remember(scores)
            scores, best = self.best
            with torch.no_grad():
                for mine, theirs in ((self.rows.values, best.values), (self.rows.weights, best.weights)):
                    for name, tensor in mine.items():
                        tensor.copy_(theirs[name])
        return self.rows, scores

    def close(self) -> None:
        """Ends what the solver has running."""
        self.solver.close()


def joined(moments: list[Moment]) -> Moment:
    if len(moments) == 1:
        return moments[0]
    losses = {name: torch.cat([m.losses[name] for m in moments]) for name in moments[0].losses}
    return Moment(torch.cat([m.image for m in moments]), torch.cat([m.total for m in moments]), losses)


def laid_over(before: Moment, now: Moment, part: Tensor) -> Moment:
    """What is seen of all rows, of which those at ``part`` were looked at again."""

    def laid(old: Tensor, new: Tensor) -> Tensor:
        return old.index_copy(0, part.to(old.device), new)

    losses = {name: laid(values, now.losses[name]) for name, values in before.losses.items()}
    return Moment(laid(before.image, now.image), laid(before.total, now.total), losses)


def release_rates(release: Release, generator: Generator) -> dict[str, tuple[float, str, Release]]:
    """Parameter name -> (learning rate, curve, how) of everything that gathers moments in this stage."""
    groups = generator.groups()
    progressive = [group for group in groups if group.progressive]
    if isinstance(release.groups, tuple):
        rate = {
            group.name: release.lr * release.ratio**i for i, group in enumerate(groups) if group.name in release.groups
        }
    else:
        walked = [group for group in groups if group.progressive or group.head and release.groups == "whole"]
        count = release.groups if isinstance(release.groups, int) else len(walked)
        rate = {group.name: release.lr * release.ratio**i for i, group in enumerate(walked[:count])}
    if release.moments == "warm":
        rate = {group.name: 0.0 for group in progressive} | rate
    gains = generator.gains() if release.scale == "used" else {}
    return {
        name: (rate[group.name] / gains.get(name, 1.0), release.curve, release)
        for group in groups
        if group.name in rate
        for name in group.parameters
    }
