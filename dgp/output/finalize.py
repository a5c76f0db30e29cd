"""From the rows that a run ends with to its answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dgp.engine.evaluator import Evaluator
from dgp.engine.position import Position
from dgp.engine.selection import SELECTIONS
from dgp.errors import DgpError
from dgp.observation.observation import Observation
from dgp.output import metrics
from dgp.output.restoration import Restoration
from dgp.postprocess.lab_luminance import LabLuminance, replace_luminance
from dgp.process.determinism import is_deterministic
from dgp.recipes.schema import Recipe
from dgp.variables.operator_parameters import variable_name
from dgp.variables.rows import Rows
from generators import Prior
from generators.progress import waiting

# Entries of the metrics that follow the published convention, where L* is the original's, and what is measured.
PUBLISHED = {"psnr": "psnr", "ssim": "ssim_published"}


@dataclass(frozen=True)
class RunState:
    """A run that is over.

    Attributes:
        observations: P of them.
        prior, recipe, notes, seed, num_solutions, device: what ran, and what was changed to make it run.
        evaluator: renders and scores rows.
        rows, scores: rows that left the last stage and their objectives, (N,).
        trace: recorded steps of each picture.
        starts: for each picture, the record of its warm start, or None.
        load_s: seconds that loading took, of all pictures together.
        position: what the run remembers of its course.
    """

    observations: Sequence[Observation]
    prior: Prior
    recipe: Recipe
    notes: Sequence[str]
    seed: int
    num_solutions: int
    device: str
    evaluator: Evaluator
    rows: Rows
    scores: Tensor
    trace: Sequence[list[dict]]
    starts: Sequence[dict | None]
    load_s: float
    position: Position


@waiting("finishing and measuring")
def finalize(run: RunState) -> list[Restoration]:
    """Return one Restoration for each observation, its answers sorted by the objective, the best first.

    Answers whose objective is not finite are left out.

    Raises:
        DgpError: a picture has no other.
    """
    begin = time.perf_counter()
    renderer = run.evaluator.renderer
    winners = run.rows.best(SELECTIONS[run.recipe.choose](run.rows, run.scores, renderer), 1)
    order = run.scores[winners].argsort(stable=True).cpu()
    rows, scores = run.rows.take(winners[order]), run.scores[winners[order]]
    finite = scores.isfinite().cpu()
    _refuse_unless_finite(run, rows, scores)
    lost = rows.picture[~finite].bincount(minlength=len(run.observations)).tolist()
    rows, scores = rows.take(finite.nonzero()[:, 0]), scores[finite.to(scores.device)]
    images, coverage = renderer.render(rows).cpu(), renderer.coverage(rows)
    accept = run.recipe.accept
    judged = None if accept is None else run.evaluator.score(rows, [accept.term]).cpu()
    results = []
    for number in range(len(run.observations)):
        mine = (rows.picture == number).nonzero()[:, 0]
        result = _restore_one(run, rows.take(mine), images[mine], scores[mine])
        result.covers = None if coverage is None else coverage[mine].cpu()
        if lost[number]:
            note = f"{lost[number]} of {run.num_solutions} solutions ended in NaN or Infinity, and are left out"
            result.notes = [*result.notes, note]
        if judged is not None:
            judge(result, judged[mine].tolist())
        results.append(result)
    share = (time.perf_counter() - begin) / len(results)
    for result in results:
        result.spent("finish_s", share)
    return results


def judge(result: Restoration, values: Sequence[float]) -> None:
    """Enter into a Restoration which of its answers are good enough.

    Args:
        result: the Restoration.
        values: the term of the recipe's ``accept`` for each answer.
    """
    term, below = result.recipe.accept.term.name, result.recipe.accept.below
    result.accepted = [value <= below for value in values]
    for number, value in enumerate(values, 1):
        if not value <= below:
            which = f"answer {number} of {len(values)}" if len(values) > 1 else "the answer"
            note = f"{which} misses the threshold of {result.recipe.name}: its {term} is {value:.3g}, above {below:g}"
            result.notes = [*result.notes, note]


def _refuse_unless_finite(run: RunState, rows: Rows, scores: Tensor) -> None:
    """Raise DgpError for a picture none of whose answers has a finite objective."""
    finite = scores.isfinite().cpu()
    for number, observation in enumerate(run.observations):
        if not finite[rows.picture == number].any():
            which = f" of {observation.source.path}" if observation.source.path and len(run.observations) > 1 else ""
            raise DgpError(
                f"the objective of {run.recipe.name!r}{which} ended as {scores[~finite].max().item():g}, so that there "
                "is no result; lower its learning rates, e.g. --set 'stages.*.lr=0.01'"
            )


def _restore_one(run: RunState, rows: Rows, images: Tensor, scores: Tensor) -> Restoration:
    """Return the Restoration of one observation from the rows of its answers.

    Args:
        run: the run.
        rows: S rows, one for each answer.
        images: their pictures, (S, 3, R, R).
        scores: their objectives, (S,).
    """
    number = int(rows.picture[0])
    observation, finish = run.observations[number], run.recipe.finish
    inputs = run.evaluator.renderer.inputs(rows)
    variables = {n: v for n, v in rows.values.items() if n not in inputs or not torch.equal(inputs[n], v)}
    unknowns, in_photograph = observation.degradation.unknowns(), observation.whole.unknowns()
    positions = {name: rows.values[variable_name(name)][:, 0].cpu() for name in unknowns}
    bound = observation
    if unknowns:
        values = {name: unknown.value(positions[name]) for name, unknown in unknowns.items()}
        bound = replace(observation, degradation=observation.degradation.bind(values))
    finished = finish(images, bound).clamp(-1, 1)
    observation = observation.with_positions({name: float(where[0]) for name, where in positions.items()})
    steps, pictures = len(run.trace[number]), len(run.observations)
    course, memory, side = run.position, run.evaluator.renderer.memory, run.evaluator.renderer.resolution
    spent = run.load_s + course.search_s + sum(course.stages_s)
    diverged = _select(course.diverged, rows)
    return Restoration(
        observation=observation,
        tensors=finished,
        prior_tensors=images,
        scores=scores.tolist(),
        latents={name: value.cpu() for name, value in inputs.items()},
        variables={name: value.cpu() for name, value in variables.items()},
        weights={name: value.cpu() for name, value in rows.weights.items()},
        trace=run.trace[number],
        metrics=_measure(run.recipe, observation, finished, images),
        fidelity=_fidelity(finished[:1], observation) | {"before": _fidelity(images[:1], observation)},
        evaluations=run.evaluator.evaluations.of(number),
        timing={
            "total_s": observation.seconds + spent / pictures,
            "load_s": run.load_s / pictures,
            "estimate_s": observation.seconds,
            "search_s": course.search_s / pictures,
            "stages_s": [s / pictures for s in course.stages_s],
            "steps": steps,
            "s_per_step": sum(course.stages_s) / steps / pictures,
            "resumes": course.resumes,
        },
        recipe=run.recipe,
        notes=[*run.notes, *memory.describe(side), *_describe_divergence(_select(course.recovered, rows), diverged)],
        memory=memory.record(side),
        threads=torch.get_num_threads(),
        deterministic=is_deterministic(),
        diverged=diverged,
        prior=run.prior,
        seed=run.seed,
        num_solutions=run.num_solutions,
        device=run.device,
        start=run.starts[number],
        start_classes=_look_up(course.start_classes, rows),
        found={name: in_photograph[name].value(where).tolist() for name, where in positions.items()},
    )


def _look_up(classes: Mapping[tuple[int, int, int], int], rows: Rows) -> list[int] | None:
    """Return the class in which each row started; None where no input of the generator showed it."""
    owners = zip(rows.picture.tolist(), rows.answer.tolist(), rows.start.tolist(), strict=True)
    return [classes[owner] for owner in owners] if classes else None


def _select(divergences: Sequence[Mapping], rows: Rows) -> list[dict]:
    """Return "solution", "stage" and "iteration" of the divergences (``Position``) of rows, one for each answer."""
    owners = list(zip(rows.picture.tolist(), rows.answer.tolist(), rows.start.tolist(), strict=True))
    return [
        {"solution": number, "stage": one["stage"], "iteration": one["iteration"]}
        for number, owner in enumerate(owners)
        for one in divergences
        if owner == (one["picture"], one["answer"], one["start"])
    ]


def _describe_divergence(recovered: Sequence[Mapping], diverged: Sequence[Mapping]) -> list[str]:
    """Return notes for the user on objectives that became NaN or infinite."""
    outcomes = ((recovered, "went on from before, with half the step"), (diverged, "stopped with what it had before"))
    return [
        f"solution {one['solution']} diverged in {one['stage']}, step {one['iteration'] + 1}: its objective became NaN "
        f"or infinite; it {outcome}"
        for found, outcome in outcomes
        for one in found
    ]


def _measure(recipe: Recipe, observation: Observation, finished: Tensor, images: Tensor) -> dict[str, dict]:
    """Return the metrics of the best answer, of the published convention where the recipe has it, and of the mean."""
    unobserved = observation.degradation.unobserved(tuple(images.shape[-2:]))
    measured = metrics.measure(finished[0], observation.original, unobserved)
    if observation.original is None:
        return measured
    if isinstance(recipe.finish, LabLuminance):
        published = replace_luminance(images[:1], observation.original)[0]
        entries = metrics.measure(published, observation.original, None)
        region = {"region": "all, L* of the original"}
        measured |= {f"{name}_published": entries[own] | region for name, own in PUBLISHED.items()}
    if len(finished) > 1:
        of_mean = metrics.measure(finished.mean(0), observation.original, unobserved)
        measured |= {f"{name}_mean": of_mean[name] for name in ("psnr", "ssim", "psnr_unobserved", "ssim_unobserved")}
    return measured


def _fidelity(picture: Tensor, observation: Observation) -> dict:
    missing = observation.degradation.uninformative(tuple(observation.y.shape[-2:]))
    return metrics.observation_fidelity(observation.degradation(picture), observation.y, missing)
