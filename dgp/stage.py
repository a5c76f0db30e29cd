"""One stage of a run: certain variables and layers of all rows move under certain terms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.curves import CURVES
from dgp.problem import Problem
from dgp.recipe import Move, Recipe, Release, Stage, Variable
from dgp.rows import Rows
from dgp.stepper import Stepper
from generators import Generator


@dataclass(frozen=True)
class Moment:
    """What one step saw, before it moved anything. image (N, 3, R, R); total (N,); losses by name, each (N,)."""

    image: Tensor
    total: Tensor
    losses: dict[str, Tensor]


class StageRun:
    """A stage at work on some rows. starts: the variables when the run began, by name."""

    def __init__(
        self, stage: Stage, recipe: Recipe, problem: Problem, rows: Rows, stepper: Stepper, starts: dict[str, Tensor]
    ):
        self.stage, self.problem, self.rows, self.stepper, self.starts = stage, problem, rows, stepper, starts
        self.number = recipe.stages.index(stage)
        self.constraints = {
            name: move.constraint or recipe.variables.get(name, Variable()).constraint
            for name, move in stage.move.items()
        }
        self.through = "sampled" if stage.predict == "sampled" else "forward"
        self.jitter = {name: move.jitter for name, move in stage.move.items() if move.jitter}
        self._convert()
        self._set_norm()
        rates = {name: (stage.lr_of(name), move.curve, move) for name, move in stage.move.items()}
        released = release_rates(stage.release, problem.prior.generator) if stage.release else {}
        self._set_moving(stage.move, released)
        self.entered = {name: rows.values[name].detach().clone() for name in stage.move}
        stepper.plan(rates | released, rows.values | rows.weights)
        self.best: tuple[Tensor, Rows] | None = None

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

    def step(self, iteration: int) -> Moment:
        """Evaluates, keeps the best if asked to, and moves once."""
        passed = iteration / self.stage.steps
        # Noise that is drawn anew decides nothing: what is best is decided under one that stays.
        occasion = f"{self.number} {iteration}" if self.stage.stochastic else "score"
        jitter = {name: amount * CURVES["fading"](passed) for name, amount in self.jitter.items()}
        seen = []
        for part in self.problem.chunks(len(self.rows)):
            image, score = self.problem.evaluate(self.rows, part, self.stage.terms, self.through, occasion, jitter)
            score.total.sum().backward()
            seen.append(Moment(image.detach(), score.total.detach(), score.losses))
        moment = joined(seen)
        if self.stage.keep == "best":
            self._remember(self._scores() if self.stage.stochastic else moment.total)
        self.stepper.step(passed)
        self._constrain()
        return moment

    def _scores(self) -> Tensor:
        return self.problem.rank(self.rows, self.stage.terms, self.through)

    @torch.no_grad()
    def _constrain(self) -> None:
        for name, constraint in self.constraints.items():
            value = self.rows.values[name]
            anchors = self.entered if constraint.anchor == "stage" else self.starts
            value.copy_(constraint.apply(value, anchors[name]))

    def _remember(self, totals: Tensor) -> None:
        """Keeps, row by row, the variables and weights with the lowest objective so far."""
        if self.best is None:
            self.best = totals.clone(), self.rows.take(torch.arange(len(self.rows)))
            return
        lowest, kept = self.best
        better = (totals < lowest).nonzero()[:, 0]
        if len(better) == 0:
            return
        lowest[better] = totals[better]
        for mine, theirs in ((kept.values, self.rows.values), (kept.weights, self.rows.weights)):
            for name, tensor in mine.items():
                tensor[better] = theirs[name].detach()[better]

    def leave(self) -> tuple[Rows, Tensor]:
        """The rows that leave the stage and the objective of each (N,)."""
        scores = self._scores()
        if self.stage.keep == "best":
            self._remember(scores)
            scores, best = self.best
            with torch.no_grad():
                for mine, theirs in ((self.rows.values, best.values), (self.rows.weights, best.weights)):
                    for name, tensor in mine.items():
                        tensor.copy_(theirs[name])
        return self.rows, scores


def joined(moments: list[Moment]) -> Moment:
    if len(moments) == 1:
        return moments[0]
    losses = {name: torch.cat([m.losses[name] for m in moments]) for name in moments[0].losses}
    return Moment(torch.cat([m.image for m in moments]), torch.cat([m.total for m in moments]), losses)


def release_rates(release: Release, generator: Generator) -> dict[str, tuple[float, str, Release]]:
    """Parameter name -> (learning rate, curve, how) of everything that gathers moments in this stage."""
    groups = generator.groups()
    progressive = [group for group in groups if group.progressive]
    if isinstance(release.groups, tuple):
        rate = {
            group.name: release.lr * release.ratio**i for i, group in enumerate(groups) if group.name in release.groups
        }
    else:
        count = len(progressive) if release.groups == "all" else release.groups
        rate = {group.name: release.lr * release.ratio**i for i, group in enumerate(progressive[:count])}
    if release.moments == "warm":
        rate = {group.name: 0.0 for group in progressive} | rate
    return {
        name: (rate[group.name], release.curve, release)
        for group in groups
        if group.name in rate
        for name in group.parameters
    }
