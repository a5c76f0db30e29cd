"""The locality term: a generator that is tuned at one latent stays as it was at others."""

from __future__ import annotations

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from dgp.losses.feature_networks.table import NetworkName, find_network
from dgp.losses.prediction import Prediction, mean_per_row
from dgp.losses.terms import TERMS
from dgp.losses.trunk_term import TrunkTerm


@TERMS.register("locality")
class Locality(TrunkTerm):
    """Change by released weights at latents near the row's own (Roich et al. 2022, PTI, section 3.3, its code).

    A step of length ``alpha`` leads from the row's latent, the pivot, towards a sample, in all layers together; there
    the tuned and the original generator are compared, with noise maps of zero. 0 while no weights are released.

    alpha: distance from the pivot in w+.  psi: truncation of the samples.  samples: samples in each step, averaged.
    mse, lpips: weights of the mean square and of the perceptual distance, which is LPIPS with a trunk of LPIPS.
    """

    kind: str = "locality"
    alpha: PositiveFloat = 30.0
    psi: float = Field(0.5, ge=0, le=1)
    samples: PositiveInt = 1
    mse: NonNegativeFloat = 0.1
    lpips: NonNegativeFloat = 0.1
    trunk: NetworkName = "alex"

    @property
    def stochastic(self):
        return True

    @property
    def least_side(self):
        return super().least_side if self.lpips else 1

    def choose_trunk(self, prior, asked):
        return super().choose_trunk(prior, asked) if self.lpips else (self, None)

    def find_obstacle(self, prior):
        if not any(spec.name == "w" for spec in prior.generator.info.latents):
            return f"{self.name}: the prior {prior.name!r} has no w to move in; leave the term out"
        return super().find_obstacle(prior) if self.lpips else None

    def __call__(self, prediction):
        if not prediction.weights:
            return prediction.image.new_zeros(len(prediction.image))
        changes = (
            self._change(prediction, step_from_pivot(prediction, self.alpha, self.psi)) for _ in range(self.samples)
        )
        return sum(changes) / self.samples

    def _change(self, prediction: Prediction, latents: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            original = prediction.render(latents)
        tuned = prediction.render(latents, prediction.weights)
        total = self.mse * mean_per_row((tuned - original).square())
        if not self.lpips:
            return total
        network = find_network(self.trunk, prediction)
        with torch.no_grad():
            original_maps = network.maps(original)
            prediction.count_pass()
        prediction.count_pass()
        return total + self.lpips * network.distance(network.maps(tuned), original_maps)


@torch.no_grad()
def step_from_pivot(prediction: Prediction, alpha: float, psi: float) -> dict[str, Tensor]:
    """Return generator inputs at the distance ``alpha`` from each row's, towards a sample of any class.

    Noise maps are zero.
    """
    generator, latents = prediction.prior.generator, prediction.latents
    space = "w++" if "w++" in latents else "w+"
    pivot = latents if space in latents else generator.convert(latents, space)
    rows = len(pivot[space])
    samples = generator.sample(rows, truncation=psi, generator=prediction.random.generators)
    way = generator.convert(samples, space)[space].to(pivot[space]) - pivot[space]
    length = way.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
    maps = {
        spec.name: pivot[space].new_zeros(rows, *spec.shape) for spec in generator.info.latents if spec.chart == "noise"
    }
    return {space: pivot[space] + alpha * way / length} | maps
