"""One stage of an inversion, and its step: render, compare, differentiate, update, project."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial

import torch
from torch import Tensor

from dgp.engine.best_rows import BestRows
from dgp.engine.early_stopping import EarlyStopping
from dgp.engine.evaluation import Evaluation, join_parts
from dgp.engine.evaluator import Evaluator
from dgp.engine.recovery import Recovery
from dgp.engine.stage_options import Stage
from dgp.losses.objective import Losses, Objective
from dgp.losses.residual import expect_residual, measure_residual
from dgp.observation.resizing import resize
from dgp.optim.gradient import GradientDescent
from dgp.optim.lbfgs import LBFGS
from dgp.optim.schedules import SCHEDULES
from dgp.random_streams import RowStreams
from dgp.rendering.renderer import Renderer
from dgp.variables.rows import Rows
from generators.text import join_first, pluralise, shorten


@dataclass(frozen=True)
class StepOutput:
    """Output of one step: its evaluation, made before it updated anything.

    Attributes:
        image: pictures of all rows, (N, 3, R, R) in [-1, 1]; coarser ones are enlarged.
        total: the objective, (N,).
        losses: terms by name, unweighted, (N,).
        picture, answer: index of the observation of each row, and of the answer to it, (N,).
        stage: name of the stage.
        iteration: index of the step in its stage.
        index: index of the step in the run.
        steps: steps of the run; a stage whose rows have all stopped leaves its last ones out.
        live: rows that were evaluated, (N,) bool on the CPU; the others stopped before and show their last evaluation.
        stopped: rows that stop here, (N,) bool on the CPU.
        constrained: root mean square by which constraints moved each row afterwards, by variable, (N,).
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
        losses = join_first([f"{name} {float(value.mean()):.4g}" for name, value in self.losses.items()])
        rows = f"{pluralise(len(self.total), 'row')}, {int(self.live.sum())} live"
        objective = f"objective {float(self.total.mean()):.4g} ({losses})"
        return shorten(f"Step {self.index + 1} of {self.steps}, {self.stage}: {rows}, mean {objective}")


class StageRun:
    """Runs one stage on some rows; made by ``begin_stage`` (`dgp.engine.stage_entry`).

    Args:
        stage: options of the stage.
        number: index of the stage in its run.
        evaluator: scores rows under fixed random numbers.
        rows: N rows, whose tensors are updated in place.
        solver: updates them.
        starts: values of the variables at the start of the run, by name, each (N, ...).
    """

    def __init__(
        self,
        stage: Stage,
        number: int,
        *,
        evaluator: Evaluator,
        rows: Rows,
        solver: GradientDescent | LBFGS,
        starts: dict[str, Tensor],
    ):
        self.stage, self.number, self.name = stage, number, stage.name or f"stage {number + 1}"
        self.evaluator, self.renderer, self.objective = evaluator, evaluator.renderer, Objective(stage.terms)
        self.rows, self.solver, self.starts = rows, solver, starts
        self.through = "sampled" if stage.predict == "sampled" else "forward"
        self.jitter = {name: move.jitter for name, move in stage.move.items() if move.jitter}
        # Random numbers of a step do not decide what is best: that is scored under numbers that stay the same.
        self.redraws = stage.stochastic and not solver.exact
        self.best = BestRows(rows) if stage.keep == "best" or solver.exact else None
        rules = [rule for rule in stage.stop if rule.applies_to(evaluator.batch.operators)]
        self.early_stopping = EarlyStopping(rules, stage.steps, len(rows)) if rules else None
        self.recovery = Recovery(rows, solver)
        self.active = torch.ones(len(rows), dtype=torch.bool)
        self.passes = self.renderer.network_cost + len(self.objective.networks)
        self.spent = 0
        self._evaluation: Evaluation | None = None

    @property
    def done(self) -> bool:
        """Whether every row has stopped."""
        return not self.active.any()

    def step(self, iteration: int) -> StepOutput:
        """Evaluate the active rows, keep the best, stop rows that are done, and update the others."""
        t, active = iteration / self.stage.steps, self.active
        index = None if active.all() else active.nonzero()[:, 0]
        occasion = f"{self.number} {iteration}" if self.redraws else "score"
        evaluate = partial(self._evaluate, index, t, occasion)
        # 1. to 4. Jitter, render, compare, differentiate; in smaller parts where memory is short.
        found = self.renderer.memory.repeat(evaluate, undo=self._clear_gradients)
        pictures = self.rows.picture if index is None else self.rows.picture[index]
        self.renderer.evaluations.count_renders(pictures)
        self.renderer.evaluations.count_passes(pictures, self.passes)
        self._evaluation = found if index is None else self._evaluation.with_rows(index, found)
        self.spent += self.passes * (3 + (self.redraws and self.best is not None))
        # 5. Keep the best of each row, before anything is updated.
        if self.best is not None:
            self.best.update(self._score(index) if self.redraws else self._evaluation.total, index)
        # 6. Send rows back whose objective is no number; the second time, and where nothing is better, they stop.
        diverged = self.recovery.watch(iteration, self._evaluation.total, active)
        # 7. Stop rows early.
        stopped = diverged.stopped | (self._stop_early(iteration) & ~diverged.returned)
        going = active & ~stopped & ~diverged.returned
        # 8. Update: z <- z - lr(t) step(dL/dz), theta likewise, then project z onto its constraint.
        update = self.solver.step(self._evaluation.total, t, None if going.all() else going)
        if update.converged is not None:
            stopped = stopped | update.converged
        self.active = active & ~stopped
        return StepOutput(
            image=self._evaluation.image,
            total=self._evaluation.total,
            losses=self._evaluation.by_term,
            picture=self.rows.picture,
            answer=self.rows.answer,
            stage=self.name,
            iteration=iteration,
            index=iteration,
            steps=self.stage.steps,
            live=active,
            stopped=stopped,
            constrained=update.constrained,
        )

    def _evaluate(self, index: Tensor | None, t: float, occasion: str) -> Evaluation:
        """Evaluate rows and the gradients of their objective.

        Args:
            index: of the rows, (n,); None: all.
            t: part of the stage that is over, in [0, 1).
            occasion: of the random numbers.
        """
        evaluated, places = [], []
        for renderer, part in self.evaluator.parts(self.rows.picture, index):
            values = {name: value[part] for name, value in self.rows.values.items()}
            weights = {name: weight[part] for name, weight in self.rows.weights.items()}
            pictures = self.rows.picture[part]
            streams = cache(partial(self.evaluator.streams, self.rows, part, occasion))
            # 1. Jitter: z <- z + sigma(t) n, n ~ N(0, 1) (Karras et al. 2020, appendix D).
            if self.jitter:
                values = self._add_jitter(values, t, streams())
            # 2. Render: x = G(z; theta).
            image = renderer(values, weights, pictures)
            # 3. Compare: L(phi(x), y) = sum_k weight_k term_k (Pan et al. 2020, eq. 4 and 5).
            losses = self.objective(
                self.evaluator.predict(
                    renderer,
                    image=image,
                    values=values,
                    pictures=pictures,
                    weights=weights,
                    through=self.through,
                    draw_streams=streams,
                )
            )
            # 4. Differentiate: dL/dz and dL/dtheta; the rows are independent, so that their sum gives each its own.
            losses.total.sum().backward()
            evaluated.append(self._finish_part(renderer, part, image, losses))
            places.append(part)
        return join_parts(evaluated, places)

    def _clear_gradients(self) -> None:
        for tensor in (*self.rows.values.values(), *self.rows.weights.values()):
            tensor.grad = None

    def finish(self) -> tuple[Rows, Tensor]:
        """Return the rows that leave the stage and the objective of each, (N,), under fixed random numbers."""
        scores = self._score(None)
        if self.best is not None:
            self.best.update(scores)
        returned = self.recovery.settle(scores)
        if self.best is not None:
            scores = self.best.restore()
        elif returned.any():
            index = returned.nonzero()[:, 0]
            places = index.to(scores.device)
            scores = scores.index_copy(0, places, self._score(index)[places])
        return self.rows, scores

    def close(self) -> None:
        """Release what the solver holds, such as threads."""
        self.solver.close()

    def state_dict(self) -> dict | None:
        """Return what the next step depends on, besides the rows, or None where the solver cannot tell its state."""
        solver, stopping, complete = self.solver.state_dict(), self.early_stopping, bool(self.active.all())
        if solver is None:
            return None
        return {
            "solver": solver,
            "active": self.active,
            "spent": self.spent,
            "best": None if self.best is None else self.best.state_dict(),
            "recovery": self.recovery.state_dict(),
            "early_stopping": None if stopping is None else stopping.state_dict(),
            # Rows that have stopped show their last evaluation; without any, the next step replaces it.
            "evaluation": None if complete or self._evaluation is None else vars(self._evaluation),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a ``state_dict``; the rows are those of that moment."""
        self.solver.load_state_dict(state["solver"])
        self.active, self.spent = state["active"], state["spent"]
        self.recovery.load_state_dict(state["recovery"])
        if self.best is not None:
            self.best.load_state_dict(state["best"])
        if self.early_stopping is not None:
            self.early_stopping.load_state_dict(state["early_stopping"])
        if state["evaluation"] is not None:
            self._evaluation = Evaluation(**state["evaluation"])

    def _add_jitter(self, values: dict[str, Tensor], t: float, streams: RowStreams) -> dict[str, Tensor]:
        fade, deviation = SCHEDULES["fading"](t), self.renderer.w_deviation
        jittered = {}
        for name, amount in self.jitter.items():
            noise = streams.normal(*values[name].shape[1:]).to(values[name], non_blocking=True)
            jittered[name] = values[name] + amount * fade * deviation * noise
        return values | jittered

    @torch.no_grad()
    def _finish_part(self, renderer: Renderer, part: slice | Tensor, image: Tensor, losses: Losses) -> Evaluation:
        """Return what is remembered of an evaluation of some rows.

        Args:
            renderer: rendered them.
            part: which rows.
            image: their pictures, (n, 3, r, r).
            losses: of them.
        """
        own = (self.renderer.resolution, self.renderer.resolution)
        found = Evaluation(resize(image.detach(), own), losses.total.detach(), losses.by_term)
        if self.early_stopping is None or not self.early_stopping.measures:
            return found
        values = {name: value[part] for name, value in self.rows.values.items()}
        seen = self.evaluator.predict(renderer, image=image.detach(), values=values, pictures=self.rows.picture[part])
        return replace(found, residual=measure_residual(seen), noise_floor=expect_residual(seen))

    def _stop_early(self, iteration: int) -> Tensor:
        """Return the active rows that stop here, (N,) bool on the CPU."""
        if self.early_stopping is None:
            return torch.zeros_like(self.active)
        return self.early_stopping.reached(iteration, self._evaluation, self.spent) & self.active

    @torch.no_grad()
    def _score(self, index: Tensor | None) -> Tensor:
        """Return the objective under fixed random numbers, (N,); of rows that are not at ``index`` the last one."""
        scores = self.evaluator.score_part(self.rows, index, self.objective, through=self.through)
        if index is None:
            return scores
        return self._evaluation.total.index_copy(0, index.to(scores.device), scores)
