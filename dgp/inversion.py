"""The loop: search for initial rows, then stage after stage, one step at a time, in the hands of the caller."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from dgp.checkpoint.checkpoint import Checkpoint
from dgp.checkpoint.tree import snapshot
from dgp.device import resolve_device
from dgp.engine.evaluator import Evaluator
from dgp.engine.initial_rows import RowSource
from dgp.engine.journal import Journal
from dgp.engine.position import Position
from dgp.engine.selection import SELECTIONS
from dgp.engine.stage import StepOutput
from dgp.errors import DgpError, InputError
from dgp.observation.batch import stack_observations
from dgp.observation.observation import Observation
from dgp.output.checkpoint_identity import checkpoint_identity, refuse_other_run
from dgp.output.finalize import RunState, finalize
from dgp.output.restoration import Restoration
from dgp.output.run_folder import run_identity
from dgp.output.trace import append_lines
from dgp.output.windows import join_windows
from dgp.planning.budget import cost_of_searches
from dgp.planning.plan import plan_recipe
from dgp.planning.stand_in import find_stand_in
from dgp.recipes.load import load_recipe
from dgp.recipes.schema import Recipe
from dgp.rendering.renderer import Evaluations, Renderer
from dgp.search.base import ScoringSearch
from dgp.variables.classes import list_start_classes
from dgp.variables.operator_parameters import expect_parameters
from dgp.variables.rows import Rows
from dgp.warm_start import Encoder, Source, find_starts, start_rows
from generators import Prior
from generators.progress import report, waiting
from generators.text import join_first, pluralise, shorten

TRACE_EVERY = 16  # steps between two reads of losses from the device


class Inversion:
    """Explains one Observation, or several at once, by a prior; iterate to run it, step by step.

    Args:
        observation: one, or a sequence; the answers come in that order, and each is what it would be alone. Windows
            around several holes of a photograph (``Observation.others``) are inverted together.
        prior: the prior.
        recipe: a name, a path, or a Recipe.
        seed: seed of the run; every picture draws from a stream of its own, derived from this and its content.
        num_solutions: answers to each observation, from independent starts.
        start: where to start instead of searching: an earlier Restoration, its folder, or a sequence with one for
            each picture; an encoder; or the variables by name, each (pictures * num_solutions, ...)
            (`dgp.warm_start`).
        device: "auto" (CUDA where there is one), "cpu" or "cuda". Steps hold tensors there, results on the CPU.

    Attributes:
        on_safe_point: called whenever ``checkpoint`` can be: after each step, and after each evaluation of the search.
            What it raises ends the run.

    Raises:
        InputError: no observation, or a start that does not fit.
        RecipeError: the recipe needs what the prior lacks.
        DgpError: the objective is not finite.
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
        given = [observation] if self.single else list(observation)
        if not given or num_solutions < 1:
            raise InputError(f"got {len(given)} pictures and {num_solutions} solutions; expected at least one of each")
        self.windows = [1 + len(one.others) for one in given]
        if start is not None and max(self.windows) > 1:
            raise InputError(
                f"got a start for a photograph with {max(self.windows)} windows around its holes; leave the start out, "
                "or use --fit stretch (in Python: fit='stretch'), which has one"
            )
        self.observations = [window for one in given for window in (one, *one.others)]
        self.seed, self.num_solutions, self.device = seed, num_solutions, resolve_device(device)
        with waiting(f"bringing {prior.name} to {self.device}"):
            self.prior = prior.to(self.device)
        chosen = load_recipe(find_stand_in(recipe, prior))
        self.recipe, self.notes = plan_recipe(chosen, prior, self.observations)
        if self.recipe.classes == "even":
            self.observations = [replace(one, class_probabilities=None) for one in self.observations]
        size = (prior.generator.info.resolution,) * 2
        self.batch = stack_observations(self.observations, self.prior.discriminator, size, self.device)
        self.renderer = Renderer(self.prior, self.recipe.parametrizations, self.batch)
        expectations = expect_parameters(self.observations)
        self.evaluator = Evaluator(self.renderer, seed, expectations)
        self.source = RowSource(
            prior=self.prior,
            observations=self.observations,
            seed=seed,
            num_solutions=num_solutions,
            space=self.recipe.space[0],
            parametrizations=self.recipe.parametrizations,
            constraints=self.recipe.constraints,
            expectations=expectations,
        )
        self.starts = [] if start is None else find_starts(start, self.source, self.renderer)
        self._started = start_rows(self.starts, self.source) if self.starts else None
        self.start_records = [one.record() for one in self.starts] or [None] * len(self.observations)
        self.position = Position()
        self.on_safe_point: Callable[[], None] = lambda: None
        self._journal = Journal(self.evaluations, lambda: self.on_safe_point())
        self._trace: list[list[dict]] = [[] for _ in self.observations]
        self._untraced: list[StepOutput] = []
        self._fallback: Checkpoint | None = None
        self._steps = self._run()
        self.load_s = time.perf_counter() - begin

    def __iter__(self) -> Iterator[StepOutput]:
        return self._steps

    @property
    def steps(self) -> int:
        """Steps of the run at most."""
        return self.recipe.steps

    @property
    def steps_done(self) -> int:
        """Steps that are behind the run, those that a stage left out included."""
        return sum(one.steps for one in self.recipe.stages[: self.position.number]) + self.position.iteration

    @property
    def evaluations(self) -> Evaluations:
        """How often rows were rendered, and what that cost."""
        return self.renderer.evaluations

    @property
    def trace(self) -> list[list[dict]]:
        """Lines of the steps so far, for each observation, as in trace.jsonl; reading them waits for the device."""
        self._read_trace()
        return self._trace

    def checkpoint(self) -> Checkpoint:
        """Return everything that the next step depends on, as it is between two steps; ``resume`` goes on from it.

        A stage of ``l-bfgs`` that was told more than is kept begins again.
        """
        position = self.position.state_dict()
        if position is None:
            return self._fallback
        search = self._journal.state_dict() if self.rows is None else None
        state = {"search": search, "position": position, "trace": self.trace, "counts": self.evaluations.counts}
        state |= {"memory": self.renderer.memory.state_dict()}
        return Checkpoint(self.identity, snapshot(state))

    @classmethod
    def resume(
        cls,
        checkpoint: Checkpoint,
        observation: Observation | Sequence[Observation],
        prior: Prior,
        recipe: str | Recipe = "default",
        **options: Any,
    ) -> Inversion:
        """Return the inversion that goes on from a checkpoint to the same bits; ``options`` are those of the class.

        Raises:
            CheckpointError: the checkpoint is of another run; the message names the differences.
        """
        inversion = cls(observation, prior, recipe, **options)
        refuse_other_run(checkpoint.identity, inversion.identity)
        state, inversion._fallback = snapshot(checkpoint.state), checkpoint
        inversion.position.load_state_dict(state["position"])
        inversion._trace = state["trace"]
        inversion.renderer.memory.load_state_dict(state["memory"])
        if state["search"] is None:
            inversion.evaluations.add(state["counts"])
        else:
            inversion._journal.load_state_dict(state["search"])
        return inversion

    @cached_property
    def identity(self) -> dict:
        """What the answer depends on, as JSON values; a checkpoint is resumed by an equal one."""
        describe = partial(run_identity, seed=self.seed, num_solutions=self.num_solutions)
        pictures = [
            describe(one, self.prior, self.recipe, start=start)
            for one, start in zip(self.observations, self.start_records, strict=True)
        ]
        return checkpoint_identity(pictures, self.device)

    @property
    def rows(self) -> Rows | None:
        """The rows of the run; None until the search is over."""
        return self.position.rows

    @property
    def scores(self) -> Tensor | None:
        """The objective of each row at the end of the last stage, (N,)."""
        return self.position.scores

    def _run(self) -> Iterator[StepOutput]:
        position, stages = self.position, self.recipe.stages
        # 1. Search: rows whose phi(G(z)) is close to y, the best first (Pan et al. 2020, section 3.2).
        if self.rows is None:
            position.start_clock()
            rows = self._started or self._search()
            classes = list_start_classes(rows, self.prior.generator)
            position.end_search(rows, torch.arange(len(rows), dtype=torch.float32), classes)
        while position.number < len(stages):
            stage = stages[position.number]
            position.start_clock()
            # 2. Keep the best rows of each answer, with their optimizer state.
            if not position.in_stage:
                self._fallback = self.checkpoint() if stage.replayed else None
                if stage.rows_kept:
                    position.keep(SELECTIONS[stage.choose](self.rows, self.scores, self.renderer), stage.rows_kept)
            # 3. Optimise the stage's variables and layers, until its steps are over or every row has stopped.
            with contextlib.closing(position.begin_stage(stage, self.evaluator, self.recipe.constraints)) as run:
                while position.iteration < stage.steps and not run.done:
                    step = replace(run.step(position.iteration), index=self.steps_done, steps=self.steps)
                    position.iteration += 1
                    self._untraced.append(replace(step, image=step.image[:0]))
                    if len(self._untraced) == TRACE_EVERY:
                        self._read_trace()
                    self.on_safe_point()
                    yield step
                position.end_stage()
            self.on_safe_point()

    def _search(self) -> Rows:
        """Run the recipe's searches, each on the rows that the one before returned."""
        cost = cost_of_searches(self.recipe)[1] * len(self.observations) * self.num_solutions
        open_class = bool(self.prior.generator.info.classes) and any(o.label is None for o in self.observations)
        words = "searching for a start and a class" if open_class else "searching for a start"
        self.evaluations.listener = lambda spent: report(words, min(spent, cost), cost)
        if cost:
            report(words, 0, cost)
        rows, recorded = None, replace(self.evaluator, journal=self._journal)
        for search in self.recipe.searches:
            resolution = search.resolution if isinstance(search, ScoringSearch) else None
            rows = search.run(recorded.at(resolution), self.source, rows)
        self.evaluations.listener = lambda spent: None
        report("")
        return rows

    def _read_trace(self) -> None:
        append_lines(self._trace, self._untraced)
        self._untraced.clear()

    def result(self) -> Restoration | list[Restoration]:
        """Run the steps that are left; return one Restoration, or a list for a sequence of observations."""
        for _ in self._steps:
            pass
        if self.steps_done < self.steps:
            raise DgpError("this run was interrupted, so that it has no answer; make a new Inversion")
        results = finalize(
            RunState(
                observations=self.observations,
                prior=self.prior,
                recipe=self.recipe,
                notes=self.notes,
                seed=self.seed,
                num_solutions=self.num_solutions,
                device=self.device,
                evaluator=self.evaluator,
                rows=self.rows,
                scores=self.scores,
                trace=self.trace,
                starts=self.start_records,
                load_s=self.load_s,
                position=self.position,
            )
        )
        parts = iter(results)
        joined = [join_windows(list(itertools.islice(parts, count))) for count in self.windows]
        return joined[0] if self.single else joined

    def __repr__(self) -> str:
        names = join_first([shorten(o.source.path or "a picture", 60) for o in self.observations])
        state = "over" if self.steps_done == self.steps else "not begun" if self.rows is None else "running"
        answers = pluralise(self.num_solutions, "solution")
        about = f"{self.recipe.name} on {self.prior.name}, {answers}, {self.steps} steps, {self.device}"
        return shorten(f"Inversion of {names}: {about}, {state}")
