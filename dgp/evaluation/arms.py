"""The arms of a comparison: recipes on a prior, and two baselines without inversion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dgp.engine.stage import StepOutput
from dgp.evaluation.baselines import classical
from dgp.inversion import Inversion
from dgp.observation.observation import Observation
from dgp.output import metrics
from dgp.output.restoration import Restoration
from dgp.output.run_folder import to_json
from dgp.planning.adapt import adapt_recipe
from dgp.recipes.schema import Recipe
from generators import Prior

MEASURED = ("psnr", "ssim", "psnr_unobserved", "ssim_unobserved")
# Further versions of an answer that are measured: suffix of the metric's name -> words for the table.
VIEWS = {"mean": "mean of solutions", "latent_only": "latents only", "generator": "before the finish"}


@dataclass(frozen=True)
class Answer:
    """An arm's answer for one picture.

    Attributes:
        tensor: (3, R, R) in [-1, 1].
        content: the entries of the unit's JSON file besides its identity.
    """

    tensor: Tensor
    content: dict

    def __repr__(self) -> str:
        psnr = self.content["metrics"]["psnr"]["value"]
        return f"Finding {tuple(self.tensor.shape)}" + ("" if psnr is None else f", PSNR {psnr:.2f} dB")


@dataclass(frozen=True)
class DegradedArm:
    """A baseline: the degraded input itself, brought to three channels and full size (`Degradation.lift`)."""

    name: str = "degraded"
    target: str = "file"
    finds_class: bool = False
    steps: int = 0

    def identity(self) -> dict:
        return {}

    def run(self, observations: Sequence[Observation], on_step: Callable[[int], None]) -> list[Answer]:
        return [
            _measure(o.degradation.lift(o.y, tuple(o.original.shape[-2:])).clamp(-1, 1)[0], o) for o in observations
        ]


@dataclass(frozen=True)
class ClassicalArm:
    """A baseline: mean chroma, bicubic enlargement and biharmonic inpainting (``dgp.evaluation.baselines``)."""

    chroma: Tensor
    prior_sha256: str
    name: str = "classical"
    target: str = "file"
    finds_class: bool = False
    steps: int = 0

    def identity(self) -> dict:
        return {"prior": self.prior_sha256}

    def run(self, observations: Sequence[Observation], on_step: Callable[[int], None]) -> list[Answer]:
        size = tuple(observations[0].original.shape[-2:])
        return [_measure(classical(o.degradation, o.y, size, self.chroma)[0], o) for o in observations]

    def __repr__(self) -> str:
        return f"ClassicalArm({self.name})"


@dataclass(frozen=True)
class RecipeArm:
    """A recipe on a prior.

    Attributes:
        name: the name in tables.
        recipe: the recipe.
        prior: the prior.
        prior_key: text that identifies the prior in the identity of a unit.
        seed: seed of the runs.
        num_solutions: how many solutions each run computes.
        device: the torch device.
    """

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
    def finds_class(self) -> bool:
        """Whether its runs use the probabilities of the classes."""
        return self.recipe.classes == "likely"

    @property
    def steps(self) -> int:
        return self.recipe.steps

    def identity(self) -> dict:
        """Return the entries of a unit's identity that depend on the arm."""
        return {
            "prior": self.prior_key,
            "recipe": adapt_recipe(self.recipe, self.prior)[0].sha256,
            "seed": self.seed,
            "num_solutions": self.num_solutions,
        }

    def run(self, observations: Sequence[Observation], on_step: Callable[[int], None]) -> list[Answer]:
        """Invert all pictures together; ``on_step(n)`` is called after each step of n pictures."""
        inversion = Inversion(
            observations,
            self.prior,
            self.recipe,
            seed=self.seed,
            num_solutions=self.num_solutions,
            device=self.device,
        )
        # The first step of the first stage that releases layers still renders with the original weights.
        releases = [stage.release is not None for stage in inversion.recipe.stages]
        first_release = sum(s.steps for s in inversion.recipe.stages[: releases.index(True)]) if any(releases) else 0
        latent_only: list[Tensor] | None = None
        for step in inversion:
            if first_release and step.index == first_release:
                latent_only = best_images(step, len(observations))
            on_step(len(observations))
        results = inversion.result()
        return [
            self._answer(result, None if latent_only is None else latent_only[i]) for i, result in enumerate(results)
        ]

    def _answer(self, result: Restoration, latent_only: Tensor | None) -> Answer:
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
        return f"RecipeArm {self.name}: {self.recipe.name} on {self.prior.name}, seed {self.seed}, {self.device}"


def best_images(step: StepOutput, pictures: int) -> list[Tensor]:
    """Return, for each of `pictures` pictures, the image (3, R, R) of the row with the lowest objective."""
    chosen = []
    for number in range(pictures):
        rows = (step.picture == number).nonzero()[:, 0]
        best = rows[step.total.cpu()[rows].nan_to_num(nan=torch.inf).argmin()]
        chosen.append(step.image[best].detach().clone())
    return chosen


def _measure(picture: Tensor, observation: Observation) -> Answer:
    """Return the answer of a baseline, (3, R, R), with its metrics."""
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
