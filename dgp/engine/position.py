"""Where a run is: its rows, the stage and the step that come next, and the time that it took."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.stage import StageRun
from dgp.engine.stage_entry import begin_stage, resume_stage, save_stage
from dgp.engine.stage_options import Stage
from dgp.optim.gradient import RowOptimizers
from dgp.variables.constraints import Constraint
from dgp.variables.rows import Rows

logger = logging.getLogger(__name__)


@dataclass
class Position:
    """The position of a run between two steps; everything but the search is in its ``state_dict``.

    Attributes:
        rows: its rows; None until the search is over.
        scores: their objectives at the end of the last stage, (N,).
        start_values: values of the variables at the start of the run, by name, each (N, ...).
        start_classes: the class in which each row started, by (picture, answer, start); empty without classes.
        optimizers: of the run; their state is carried from stage to stage.
        number: index of the stage that is running or comes next.
        iteration: index of the step that comes next in it.
        run: the stage that is running, or None.
        search_s, stages_s: seconds of the search, and of each stage that is over.
        resumes: how often the run went on from a checkpoint.
        diverged: of each row that stopped because its objective became NaN or infinite, "picture", "answer", "start",
            "stage" and "iteration".
        recovered: the same of each row that went on.
    """

    rows: Rows | None = None
    scores: Tensor | None = None
    start_values: dict[str, Tensor] = field(default_factory=dict)
    start_classes: dict[tuple[int, int, int], int] = field(default_factory=dict)
    optimizers: RowOptimizers = field(default_factory=RowOptimizers)
    number: int = 0
    iteration: int = 0
    run: StageRun | None = None
    search_s: float = 0.0
    stages_s: list[float] = field(default_factory=list)
    resumes: int = 0
    diverged: list[dict] = field(default_factory=list)
    recovered: list[dict] = field(default_factory=list)
    _begin: float = field(default_factory=time.perf_counter)
    _elapsed_s: float = 0.0  # that the search or stage had taken when the checkpoint was written
    _interrupted: dict | None = None  # the state of the stage in whose midst a checkpoint was written

    @property
    def in_stage(self) -> bool:
        """Whether a stage has begun and is not over."""
        return self.run is not None or self._interrupted is not None

    def start_clock(self) -> None:
        """Start the time of the search, or of a stage; what it took before an interruption counts."""
        self._begin, self._elapsed_s = time.perf_counter() - self._elapsed_s, 0.0

    def end_search(self, rows: Rows, scores: Tensor, start_classes: dict[tuple[int, int, int], int]) -> None:
        """Take the rows that the search returned."""
        self.rows, self.scores, self.start_classes = rows, scores, start_classes
        self.start_values = {name: value.clone() for name, value in rows.values.items()}
        self.search_s = time.perf_counter() - self._begin
        logger.info("the search is over", extra={"rows": len(rows), "seconds": round(self.search_s, 3)})

    def keep(self, ranks: Tensor, count: int) -> None:
        """Keep the ``count`` rows of each answer with the lowest ``ranks`` (N,), with their optimizer state."""
        kept = self.rows.best(ranks, count)
        self.rows, self.scores = self.rows.take(kept), self.scores[kept.to(self.scores.device)]
        self.start_values = {name: value[kept] for name, value in self.start_values.items()}
        self.optimizers.take(kept, self.rows.values | self.rows.weights)

    def begin_stage(self, stage: Stage, evaluator: Evaluator, constraints: Mapping[str, Constraint]) -> StageRun:
        """Return the run of the stage, from its beginning or from the step where a checkpoint left it."""
        how = {"evaluator": evaluator, "optimizers": self.optimizers, "constraints": constraints}
        if self._interrupted is not None:
            state, self._interrupted = self._interrupted, None
            self.run = resume_stage(stage, self.number, state=state, **how)
        else:
            self.run = begin_stage(stage, self.number, rows=self.rows, starts=self.start_values, **how)
        self.rows = self.run.rows
        return self.run

    def end_stage(self) -> None:
        """Take the rows that leave the stage that is running."""
        entered = self.scores
        self.rows, self.scores = self.run.finish()
        if self.number:  # rows that diverged at once are where the stage before left them; a search has no objective
            self.scores = torch.where(self.scores.isfinite(), self.scores, entered)
        self._record_divergences(self.run)
        self.start_values, self.run = self.run.starts, None
        self.stages_s.append(time.perf_counter() - self._begin)
        about = {"stage": self.number, "steps": self.iteration, "rows": len(self.rows)}
        logger.info("a stage is over", extra=about | {"seconds": round(self.stages_s[-1], 3)})
        self.number, self.iteration = self.number + 1, 0

    def _record_divergences(self, run: StageRun) -> None:
        for one in run.recovery.divergences:
            owner = {name: int(getattr(run.rows, name)[one.row]) for name in ("picture", "answer", "start")}
            record = owner | {"stage": run.name, "iteration": one.iteration}
            (self.recovered if one.recovered else self.diverged).append(record)

    def state_dict(self) -> dict | None:
        """Return everything that the next step depends on, or None where the stage's solver cannot tell its state."""
        stage, between = self._interrupted, None
        if self.run is not None:
            stage = save_stage(self.run)
            if stage is None:
                return None
        elif stage is None and self.rows is not None:
            between = {
                "rows": self.rows.state_dict(),
                "start_values": self.start_values,
                "optimizers": self.optimizers.state_dict(),
            }
        return {
            "stage": stage,
            "between": between,
            "scores": self.scores,
            "diverged": self.diverged,
            "recovered": self.recovered,
            "number": self.number,
            "iteration": self.iteration,
            "start_classes": [[*owner, label] for owner, label in self.start_classes.items()],
            "search_s": self.search_s,
            "stages_s": self.stages_s,
            "elapsed_s": time.perf_counter() - self._begin,
            "resumes": self.resumes,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a ``state_dict``."""
        self.number, self.iteration = state["number"], state["iteration"]
        self.start_classes = {tuple(owner): label for *owner, label in state["start_classes"]}
        self.search_s, self.stages_s, self.resumes = state["search_s"], state["stages_s"], state["resumes"] + 1
        self._elapsed_s, self.scores = state["elapsed_s"], state["scores"]
        self.diverged, self.recovered = state["diverged"], state["recovered"]
        self._interrupted, between = state["stage"], state["between"]
        if self._interrupted is not None:
            self.rows = Rows.from_state_dict(self._interrupted["entry"]["rows"])
        elif between is not None:
            self.rows = Rows.from_state_dict(between["rows"])
            self.start_values = between["start_values"]
            self.optimizers.load_state_dict(between["optimizers"], self.rows.values | self.rows.weights)
