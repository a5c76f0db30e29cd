"""The locality term: a generator that is tuned at one latent stays as it was at others."""

from __future__ import annotations

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from dgp.losses.feature_networks import TrunkName, refusal, trunk_of
from dgp.losses.prediction import View
from dgp.losses.terms import TERMS, Term, per_row


@TERMS.register("locality")
class Locality(Term):
    """Roich et al. 2022 (PTI), section 3.3, as in their code: what released weights change elsewhere. From the row's
    latent, the pivot, one goes ``alpha`` far towards a sample (all layers together), and compares what the tuned
    and the original generator make of it, without noise. 0 while no weights are released.

    alpha: the distance in w+.  psi: the truncation of the samples.  samples: so many in each step, their mean.
    mse, lpips: what the two distances weigh.  trunk: of LPIPS, or "discriminator".
    """

    kind: str = "locality"
    alpha: PositiveFloat = 30.0
    psi: float = Field(0.5, ge=0, le=1)
    samples: PositiveInt = 1
    mse: NonNegativeFloat = 0.1
    lpips: NonNegativeFloat = 0.1
    trunk: TrunkName = "alex"

    @property
    def stochastic(self):
        return True

    def refuse(self, prior):
        if not any(spec.name == "w" for spec in prior.generator.info.latents):
            return f"{self.name}: the prior {prior.name!r} has no w to move in; leave the term out"
        return refusal(self.name, self.trunk, prior) if self.lpips else None

    def __call__(self, view):
        if not view.weights:
            return view.image.new_zeros(len(view.image))
        return sum(self._change(view, moved(view, self.alpha, self.psi)) for _ in range(self.samples)) / self.samples

    def _change(self, view: View, latents: dict[str, Tensor]) -> Tensor:
        with torch.no_grad():
            original = view.render(latents)
        tuned = view.render(latents, view.weights)
        total = self.mse * per_row((tuned - original).square())
        if not self.lpips:
            return total
        through = trunk_of(self.trunk, view)
        with torch.no_grad():
            known = through.maps(original)
            view.looked()
        view.looked()
        return total + self.lpips * through.distance(through.maps(tuned), known)


@torch.no_grad()
def moved(view: View, alpha: float, psi: float) -> dict[str, Tensor]:
    """Generator inputs at the distance ``alpha`` from each row's, towards a sample (of any class); noise maps zero."""
    generator, latents = view.prior.generator, view.latents
    chart = "w++" if "w++" in latents else "w+"
    pivot = latents if chart in latents else generator.convert(latents, chart)
    rows = len(pivot[chart])
    sampled = generator.sample(rows, truncation=psi, generator=view.random.generators)
    way = generator.convert(sampled, chart)[chart].to(pivot[chart]) - pivot[chart]
    length = way.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
    maps = {
        spec.name: pivot[chart].new_zeros(rows, *spec.shape) for spec in generator.info.latents if spec.chart == "noise"
    }
    return {chart: pivot[chart] + alpha * way / length} | maps
