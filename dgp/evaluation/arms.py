"""What is compared: recipes, the same ones on random weights, and two baselines that invert nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.evaluation.baselines import classical
from dgp.inversion import Inversion, Step
from dgp.observation.observation import Observation
from dgp.output import metrics
from dgp.output.restoration import Restoration
from dgp.output.run_folder import to_json
from dgp.planning.adapt import map_recipe
from dgp.recipes.recipe import Recipe
from generators import Prior

MEASURED = ("psnr", "ssim", "psnr_unobserved", "ssim_unobserved")
# What else a run is measured at: the ending of the metric's name -> the words for it.
VIEWS = {"mean": "mean of solutions", "latent_only": "latents only", "generator": "before the finish"}


@dataclass(frozen=True)
class Answer:
    """The answer to one picture: (3, R, R) in [-1, 1], and what its unit says besides its identity."""

    tensor: Tensor
    content: dict

    def __repr__(self) -> str:
        psnr = self.content["metrics"]["psnr"]["value"]
        return f"Finding {tuple(self.tensor.shape)}" + ("" if psnr is None else f", PSNR {psnr:.2f} dB")


@dataclass(frozen=True)
class DegradedArm:
    """The degraded input itself, lifted to full size."""

    name: str = "degraded"
    target: str = "file"
    steps: int = 0

    def identity(self) -> dict:
        return {}

    def run(self, observations: Sequence[Observation], on_step: Callable[[int], None]) -> list[Answer]:
        return [
            _measure(o.degradation.lift(o.y, tuple(o.original.shape[-2:])).clamp(-1, 1)[0], o) for o in observations
        ]


@dataclass(frozen=True)
class ClassicalArm:
    """Mean chroma, bicubic enlargement, biharmonic inpainting; see ``dgp.evaluation.baselines``."""

    chroma: Tensor
    prior_sha256: str
    name: str = "classical"
    target: str = "file"
    steps: int = 0

    def identity(self) -> dict:
        return {"prior": self.prior_sha256}

    def run(self, observations: Sequence[Observation], on_step: Callable[[int], None]) -> list[Answer]:
        size = tuple(observations[0].original.shape[-2:])
        return [_measure(classical(o.degradation, o.y, size, self.chroma)[0], o) for o in observations]

    def __repr__(self) -> str:
        return f"Classical({self.name})"


@dataclass(frozen=True)
class RecipeArm:
    """A recipe on a prior. prior_key: what stands for the prior in a unit's identity."""

    name: str
    recipe: Recipe
    prior: Prior
    prior_key: str
    seed: int
    num_solutions: int
    device: str

    @property
    def target(self) -> str:
        return self.recipe.target

    @property
    def steps(self) -> int:
        return self.recipe.steps

    def identity(self) -> dict:
        return {
            "prior": self.prior_key,
            "recipe": map_recipe(self.recipe, self.prior)[0].sha256,
            "seed": self.seed,
            "num_solutions": self.num_solutions,
        }

    def run(self, observations: Sequence[Observation], on_step: Callable[[int], None]) -> list[Answer]:
        """All at once. ``on_step`` hears how many pictures have moved on by a step."""
        inversion = Inversion(
            observations,
            self.prior,
            self.recipe,
            seed=self.seed,
            num_solutions=self.num_solutions,
            device=self.device,
        )
        # The first step of the first stage that releases layers still sees the pictures of the latents alone.
        releases = [stage.release is not None for stage in inversion.recipe.stages]
        opening = sum(s.steps for s in inversion.recipe.stages[: releases.index(True)]) if any(releases) else 0
        latent_only: list[Tensor] | None = None
        for step in inversion:
            if opening and step.index == opening:
                latent_only = best_images(step, len(observations))
            on_step(len(observations))
        results = inversion.result()
        return [
            self._finding(result, None if latent_only is None else latent_only[i]) for i, result in enumerate(results)
        ]

    def _finding(self, result: Restoration, latent_only: Tensor | None) -> Answer:
        observation = result.observation
        original, size = observation.original[0], tuple(observation.original.shape[-2:])
        extra = {} if self.recipe.finish.kind == "none" else {"generator": result.prior_tensor}
        if latent_only is not None:
            extra["latent_only"] = self.recipe.finish(latent_only[None].cpu(), observation).clamp(-1, 1)[0]
        measured = dict(result.metrics)
        for name, picture in extra.items():
            entries = metrics.measure(picture, original, observation.degradation.unobserved(size))
            measured |= {f"{metric}_{name}": entries[metric] for metric in MEASURED}
        record = result.record()
        return Answer(
            result.tensor,
            to_json(
                {
                    "metrics": measured,
                    "objective": result.scores[0],
                    "fidelity": result.fidelity,
                    "degradation": record["degradation"],
                    "latents": record["latents"],
                    "evaluations": result.evaluations,
                    "timing": result.timing,
                }
            ),
        )

    def __repr__(self) -> str:
        return f"Engine {self.name}: {self.recipe.name} on {self.prior.name}, seed {self.seed}, {self.device}"


def best_images(step: Step, pictures: int) -> list[Tensor]:
    """(3, R, R) of each picture: the row with the lowest objective."""
    chosen = []
    for number in range(pictures):
        mine = (step.picture == number).nonzero()[:, 0]
        best = mine[step.total.cpu()[mine].nan_to_num(nan=torch.inf).argmin()]
        chosen.append(step.image[best].detach().clone())
    return chosen


def _measure(picture: Tensor, observation: Observation) -> Answer:
    size = tuple(observation.original.shape[-2:])
    hidden = observation.degradation.unobserved(size)
    with torch.no_grad():
        predicted = observation.degradation(picture[None])
    return Answer(
        picture,
        to_json(
            {
                "metrics": metrics.measure(picture, observation.original[0], hidden),
                "fidelity": metrics.observation_fidelity(predicted, observation.y),
            }
        ),
    )
