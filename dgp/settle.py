"""From the rows that a run ends with to its answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from dgp import metrics
from dgp.finish import LabLuminance, with_luminance
from dgp.observation import Observation
from dgp.restoration import Restoration
from dgp.rows import Rows

if TYPE_CHECKING:
    from dgp.inversion import Inversion


def settle(inversion: Inversion) -> list[Restoration]:
    """One Restoration for each observation, its answers sorted by the objective, the best first."""
    begin = time.perf_counter()
    winners = inversion.rows.best(inversion.scores, 1)
    order = inversion.scores[winners].argsort(stable=True).cpu()
    rows, scores = inversion.rows.take(winners[order]), inversion.scores[winners[order]]
    images = inversion.problem.pictures(rows).cpu()
    results = []
    for number, observation in enumerate(inversion.observations):
        mine = (rows.picture == number).nonzero()[:, 0]
        results.append(_restoration(inversion, number, observation, rows.take(mine), images[mine], scores[mine]))
    share = (time.perf_counter() - begin) / len(results)
    for result in results:
        result.timing["total_s"] += share
    return results


def _restoration(inversion: Inversion, number: int, observation: Observation, rows: Rows, images: torch.Tensor,
                 scores: torch.Tensor) -> Restoration:
    finish = inversion.recipe.finish
    finished = finish(images, observation).clamp(-1, 1)
    size = tuple(images.shape[-2:])
    unobserved = observation.degradation.unobserved(size)
    measured = metrics.measure(finished[0], observation.original, unobserved)
    if isinstance(finish, LabLuminance) and observation.original is not None:
        published = with_luminance(images[:1], observation.original)[0]
        measured |= {f"{name}_published": entry | {"region": "all, L* of the original"}
                     for name, entry in metrics.measure(published, observation.original, None).items()
                     if name == "psnr"}
    if len(finished) > 1:
        of_mean = metrics.measure(finished.mean(0), observation.original, unobserved)
        measured |= {f"{name}_mean": of_mean[name] for name in ("psnr", "ssim", "psnr_unobserved", "ssim_unobserved")}
    timing, steps = inversion.timing, inversion.recipe.steps
    spent = timing.search_s + sum(timing.stages_s)
    pictures = len(inversion.observations)
    count = inversion.evaluations
    return Restoration(
        observation=observation,
        tensors=finished,
        prior_tensors=images,
        scores=scores.tolist(),
        latents={name: value.cpu() for name, value in rows.values.items()},
        weights={name: value.cpu() for name, value in rows.weights.items()},
        trace=inversion.trace[number],
        metrics=measured,
        fidelity=metrics.observation_fidelity(observation.degradation(finished[:1]), observation.y, unobserved),
        evaluations={"forward": count.forward // pictures, "backward": count.backward // pictures},
        timing={"total_s": spent / pictures, "search_s": timing.search_s / pictures,
                "stages_s": [s / pictures for s in timing.stages_s], "steps": steps,
                "s_per_step": sum(timing.stages_s) / steps / pictures},
        recipe=inversion.recipe,
        notes=inversion.notes,
        prior=inversion.prior,
        seed=inversion.seed,
        num_solutions=inversion.num_solutions,
        device=inversion.device,
    )
