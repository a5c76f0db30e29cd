"""The loop: search for starts, then stage after stage, one step at a time, in the hands of whoever iterates."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.device import resolve_device
from dgp.engine.evaluator import Evaluations, Problem
from dgp.engine.selection import CHOICES
from dgp.engine.stage import Moment, StageRun
from dgp.errors import DgpError, InputError
from dgp.losses.prediction import Targets
from dgp.observation.observation import Observation
from dgp.optim.row_optimizer import Stepper
from dgp.output.finalize import Ended, settle
from dgp.output.restoration import Restoration
from dgp.planning.adapt import map_recipe
from dgp.planning.blind_restoration import blind, expected
from dgp.recipes.recipe import Recipe, load_recipe
from dgp.variables.rows import Rows
from dgp.warm_start import Encoder, Source, rows_from, starts_of
from generators import Prior
from generators.brief import clipped, counted, listed
from generators.progress import report, waiting


@dataclass(frozen=True)
class Step:
    """One step of a run, as it was before anything moved.

    image (N, 3, R, R) in [-1, 1], total (N,), losses by name (N,): of every row.  picture, answer (N,): whose row.
    stage: name; iteration: within the stage, from 0; index: within the run, from 0, of ``steps`` in all, of which those
    are left out that a stage does not need because all its rows have stopped.
    live (N,) bool: the rows that were looked at; the others stopped before, and are shown as they were last seen.
    stopped (N,) bool: those that stop here.  constrained: how far constraints moved each row, by variable, (N,).
    """

    image: Tensor
    total: Tensor
    losses: dict[str, Tensor]
    picture: Tensor
    answer: Tensor
    stage: str
    iteration: int
    index: int
    steps: int
    live: Tensor
    stopped: Tensor
    constrained: dict[str, Tensor]

    def __repr__(self) -> str:
        losses = listed([f"{name} {float(value.mean()):.4g}" for name, value in self.losses.items()])
        rows = f"{counted(len(self.total), 'row')}, {int(self.live.sum())} live"
        objective = f"objective {float(self.total.mean()):.4g} ({losses})"
        return clipped(f"Step {self.index + 1} of {self.steps}, {self.stage}: {rows}, mean {objective}")


class Inversion:
    """Explains one Observation, or several at once, by a prior.

    Args:
        observation: one, or a sequence; the answers come back in that order, and each is what it would be alone.
        recipe: a name, a path, or a Recipe. Refused (RecipeError) when it needs what the prior lacks.
        seed: of the run; every picture draws from a stream of its own, derived from this and its content.
        num_solutions: answers to each observation, from independent starts.
        start: where to begin instead of searching: an earlier Restoration, the folder of one, or a sequence with one
            for each picture; an encoder; or the variables, each (pictures * num_solutions, ...) (`dgp.warm_start`).
        device: "auto" (CUDA where there is one), "cpu" or "cuda"; its steps hold tensors there, results on the CPU.

    Iterate to run it, step by step; ``result()`` runs whatever is left.

    Raises InputError, RecipeError: see above.  DgpError: the objective is not finite.
    """

    def __init__(
        self,
        observation: Observation | Sequence[Observation],
        prior: Prior,
        recipe: str | Recipe = "default",
        *,
        seed: int = 0,
        num_solutions: int = 1,
        start: Source | Sequence[Source] | Encoder | dict[str, Tensor] | None = None,
        device: str = "auto",
    ):
        begin = time.perf_counter()
        self.single = isinstance(observation, Observation)
        self.observations = [observation] if self.single else list(observation)
        if not self.observations or num_solutions < 1:
            raise InputError(
                f"got {len(self.observations)} observations and {num_solutions} solutions; "
                "expected at least one of each"
            )
        device = resolve_device(device)
        with waiting(f"bringing {prior.name} to {device}"):
            self.prior, self.seed, self.num_solutions, self.device = prior.to(device), seed, num_solutions, device
        self.recipe, self.notes = map_recipe(blind(load_recipe(recipe), self.observations), prior)
        size = (prior.generator.info.resolution,) * 2
        targets = Targets(self.observations, self.prior.discriminator, size, device)
        space, charts, constraints = self.recipe.space[0], self.recipe.charts, self.recipe.constraints
        self.problem = Problem(
            targets, self.prior, seed, num_solutions, space, charts, constraints, expected(self.observations)
        )
        self.rows: Rows | None = None
        self.scores: Tensor | None = None
        self.trace: list[list[dict]] = [[] for _ in self.observations]
        self.search_s, self.stages_s = 0.0, []
        self.starts = None if start is None else starts_of(start, self.problem)
        self._begun = None if self.starts is None else rows_from(self.starts, self.problem)
        self._over = False
        self._steps = self._run()
        self.load_s = time.perf_counter() - begin

    def __iter__(self) -> Iterator[Step]:
        return self._steps

    @property
    def steps(self) -> int:
        return self.recipe.steps

    @property
    def evaluations(self) -> Evaluations:
        return self.problem.evaluations

    def _run(self) -> Iterator[Step]:
        begin = time.perf_counter()
        self.rows = self._starts()
        starts = {name: value.clone() for name, value in self.rows.values.items()}
        self.scores = torch.arange(len(self.rows), dtype=torch.float32)  # searches return the best first
        self.search_s = time.perf_counter() - begin
        stepper, first = Stepper(), 0
        for number, stage in enumerate(self.recipe.stages):
            begin = time.perf_counter()
            if stage.rows_kept:
                chosen = self.rows.best(CHOICES[stage.choose](self.rows, self.scores, self.problem), stage.rows_kept)
                self.rows = self.rows.take(chosen)
                starts = {name: value[chosen] for name, value in starts.items()}
                stepper.take(chosen, self.rows.values | self.rows.weights)
            run = StageRun(number, self.recipe, self.problem, self.rows, stepper, starts)
            name = stage.name or f"stage {number + 1}"
            with contextlib.closing(run):
                for iteration in range(stage.steps):
                    if run.over:
                        break
                    step = self._step(run.step(iteration), name, iteration, first + iteration)
                    self._record(step)
                    yield step
                self.rows, self.scores = run.leave()
            first += stage.steps
            self.stages_s.append(time.perf_counter() - begin)
        self._over = True

    def _step(self, moment: Moment, stage: str, iteration: int, index: int) -> Step:
        return Step(
            moment.image,
            moment.total,
            moment.losses,
            self.rows.picture,
            self.rows.answer,
            stage,
            iteration,
            index,
            self.recipe.steps,
            moment.live,
            moment.stopped,
            moment.constrained,
        )

    def _starts(self) -> Rows:
        if self._begun is not None:
            return self._begun
        spent, each = 0, 0
        for search in self.recipe.searches:
            spent, each = spent + search.cost(each), search.rows_out(each)
        spent *= len(self.observations) * self.num_solutions
        open_class = bool(self.prior.generator.info.classes) and any(o.label is None for o in self.observations)
        words = "searching for a start and a class" if open_class else "searching for a start"
        self.evaluations.tell = lambda cost: report(words, min(cost, spent), spent)
        if spent:
            report(words, 0, spent)
        rows = None
        for search in self.recipe.searches:
            rows = search.run(self.problem, rows)
        self.evaluations.tell = lambda cost: None
        report("")
        return rows

    def _record(self, step: Step) -> None:
        """A line for each picture that has rows which are still at work."""
        totals, losses = step.total.tolist(), {name: v.tolist() for name, v in step.losses.items()}
        moved = {name: v.tolist() for name, v in step.constrained.items()}
        for picture, trace in enumerate(self.trace):
            mine = (step.picture == picture).nonzero()[:, 0]
            if not step.live[mine].any():
                continue
            mine, stopped = mine.tolist(), step.stopped[mine]
            line = {
                "stage": step.stage,
                "iteration": step.iteration,
                "step": step.index,
                "total": [totals[i] for i in mine],
                "losses": {name: [v[i] for i in mine] for name, v in losses.items()},
            }
            if moved:
                line["constrained"] = {name: [v[i] for i in mine] for name, v in moved.items()}
            if stopped.any():
                line["stopped"] = stopped.nonzero()[:, 0].tolist()
            trace.append(line)

    def result(self) -> Restoration | list[Restoration]:
        """The answers, after running what is left: one Restoration, or a list for a sequence of observations."""
        for _ in self._steps:
            pass
        if not self._over:
            raise DgpError("this run was interrupted, so that it has no answer; make a new Inversion")
        results = settle(
            Ended(
                self.problem,
                self.recipe,
                self.notes,
                self.observations,
                self.rows,
                self.scores,
                self.trace,
                self.load_s,
                self.search_s,
                self.stages_s,
                self.device,
                [None] * len(self.observations) if self.starts is None else [s.record() for s in self.starts],
            )
        )
        return results[0] if self.single else results

    def __repr__(self) -> str:
        names = listed([clipped(o.source.path or "a picture", 60) for o in self.observations])
        state = "over" if self._over else "not begun" if self.rows is None else "running"
        answers = counted(self.num_solutions, "solution")
        about = f"{self.recipe.name} on {self.prior.name}, {answers}, {self.steps} steps, {self.device}"
        return clipped(f"Inversion of {names}: {about}, {state}")
