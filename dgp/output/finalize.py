"""From the rows that a run ends with to its answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dgp.engine.evaluator import Problem
from dgp.engine.selection import CHOICES
from dgp.errors import DgpError
from dgp.observation.observation import Observation
from dgp.output import metrics
from dgp.output.restoration import Restoration
from dgp.postprocess.lab_luminance import LabLuminance, replace_luminance
from dgp.recipes.recipe import Recipe
from dgp.variables.operator_parameters import variable
from dgp.variables.rows import Rows
from generators.progress import waiting

# Which measurements of the published convention stand for PSNR and SSIM where L* is the original's.
PUBLISHED = {"psnr": "psnr", "ssim": "ssim_published"}


@dataclass
class Ended:
    """A run that is over: what it ends with, and what it has kept on the way.

    rows, scores (N,): of the last stage.  trace: the recorded steps of each picture.
    load_s, search_s, stages_s: seconds, of all pictures together.
    starts: of each picture what its answer says of a warm start.
    """

    problem: Problem
    recipe: Recipe
    notes: Sequence[str]
    observations: Sequence[Observation]
    rows: Rows
    scores: Tensor
    trace: Sequence[list[dict]]
    load_s: float
    search_s: float
    stages_s: Sequence[float]
    device: str
    starts: Sequence[dict | None]


@waiting("finishing and measuring")
def settle(run: Ended) -> list[Restoration]:
    """One Restoration for each observation, its answers sorted by the objective, the best first.

    Answers whose objective is not finite are left out. Raises DgpError where a picture has no other.
    """
    begin = time.perf_counter()
    winners = run.rows.best(CHOICES[run.recipe.choose](run.rows, run.scores, run.problem), 1)
    order = run.scores[winners].argsort(stable=True).cpu()
    rows, scores = run.rows.take(winners[order]), run.scores[winners[order]]
    finite = scores.isfinite().cpu()
    for number, observation in enumerate(run.observations):
        if not finite[rows.picture == number].any():
            which = f" of {observation.source.path}" if observation.source.path and len(run.observations) > 1 else ""
            raise DgpError(
                f"the objective of {run.recipe.name!r}{which} ended as {scores[~finite].max().item():g}, so that there "
                "is no result; lower its learning rates, e.g. --set 'stages.*.lr=0.01'"
            )
    lost = rows.picture[~finite].bincount(minlength=len(run.observations)).tolist()
    rows, scores = rows.take(finite.nonzero()[:, 0]), scores[finite.to(scores.device)]
    images, covered = run.problem.pictures(rows).cpu(), run.problem.covered(rows)
    accept = run.recipe.accept
    judged = None if accept is None else run.problem.rank(rows, [accept.term]).cpu()
    results = []
    for number, observation in enumerate(run.observations):
        mine = (rows.picture == number).nonzero()[:, 0]
        result = _restoration(run, number, observation, rows.take(mine), images[mine], scores[mine])
        result.covers = None if covered is None else covered[mine].cpu()
        if lost[number]:
            said = f"{lost[number]} of {run.problem.answers} solutions ended in NaN or Infinity, and are left out"
            result.notes = [*result.notes, said]
        if judged is not None:
            judge(result, judged[mine].tolist())
        results.append(result)
    share = (time.perf_counter() - begin) / len(results)
    for result in results:
        result.spent("finish_s", share)
    return results


def judge(result: Restoration, values: Sequence[float]) -> None:
    """Says which answers are good enough, by what the recipe's ``accept`` saw of each."""
    term, below = result.recipe.accept.term.name, result.recipe.accept.below
    result.accepted = [value <= below for value in values]
    for number, value in enumerate(values, 1):
        if not value <= below:
            which = f"answer {number} of {len(values)}" if len(values) > 1 else "the answer"
            said = f"{which} misses the threshold of {result.recipe.name}: its {term} is {value:.3g}, above {below:g}"
            result.notes = [*result.notes, said]


def _restoration(
    run: Ended, number: int, observation: Observation, rows: Rows, images: Tensor, scores: Tensor
) -> Restoration:
    finish, inputs = run.recipe.finish, run.problem.inputs(rows)
    behind = {n: v for n, v in rows.values.items() if n not in inputs or not torch.equal(inputs[n], v)}
    found = {
        name: u.value(rows.values[variable(name)][:, 0].cpu()) for name, u in observation.degradation.unknowns().items()
    }
    bound = replace(observation, degradation=observation.degradation.bind(found)) if found else observation
    finished = finish(images, bound).clamp(-1, 1)
    observation = observation.given({name: float(values[0]) for name, values in found.items()})
    size = tuple(images.shape[-2:])
    unobserved = observation.degradation.unobserved(size)
    measured = metrics.measure(finished[0], observation.original, unobserved)
    if isinstance(finish, LabLuminance) and observation.original is not None:
        published = replace_luminance(images[:1], observation.original)[0]
        entries = metrics.measure(published, observation.original, None)
        region = {"region": "all, L* of the original"}
        measured |= {f"{name}_published": entries[own] | region for name, own in PUBLISHED.items()}
    if len(finished) > 1 and observation.original is not None:
        of_mean = metrics.measure(finished.mean(0), observation.original, unobserved)
        measured |= {f"{name}_mean": of_mean[name] for name in ("psnr", "ssim", "psnr_unobserved", "ssim_unobserved")}
    steps, pictures = len(run.trace[number]), len(run.observations)
    spent = run.load_s + run.search_s + sum(run.stages_s)
    return Restoration(
        observation=observation,
        tensors=finished,
        prior_tensors=images,
        scores=scores.tolist(),
        latents={name: value.cpu() for name, value in inputs.items()},
        variables={name: value.cpu() for name, value in behind.items()},
        weights={name: value.cpu() for name, value in rows.weights.items()},
        trace=run.trace[number],
        metrics=measured,
        fidelity=_fidelity(finished[:1], observation) | {"before": _fidelity(images[:1], observation)},
        evaluations=run.problem.evaluations.of(number),
        timing={
            "total_s": observation.seconds + spent / pictures,
            "load_s": run.load_s / pictures,
            "estimate_s": observation.seconds,
            "search_s": run.search_s / pictures,
            "stages_s": [s / pictures for s in run.stages_s],
            "steps": steps,
            "s_per_step": sum(run.stages_s) / steps / pictures,
        },
        recipe=run.recipe,
        notes=run.notes,
        prior=run.problem.prior,
        seed=run.problem.seed,
        num_solutions=run.problem.answers,
        device=run.device,
        start=run.starts[number],
        found={name: values.tolist() for name, values in found.items()},
    )


def _fidelity(picture: Tensor, observation: Observation) -> dict:
    blank = observation.degradation.blank(tuple(observation.y.shape[-2:]))
    return metrics.observation_fidelity(observation.degradation(picture), observation.y, blank)
