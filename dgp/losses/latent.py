"""Terms on the variables themselves: how likely they are, and what keeps layers and noise maps in bounds."""

from __future__ import annotations

import re
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from dgp.losses.cosine import unit
from dgp.losses.terms import TERMS, Term, per_row

NOISE = re.compile(r"noise\[\d+\]")
INSIDE_ROOTS = 1e-9  # as PULSE's code


@TERMS.register("nll")
class NegativeLogLikelihood(Term):
    """Half the mean square of a standard normal variable (its negative log-likelihood over d, less a constant)."""

    kind: str = "nll"
    on: str = Field("z", description="the variable")

    @property
    def name(self):
        return f"nll({self.on})"

    @property
    def variables(self):
        return (self.on,)

    def __call__(self, view):
        return per_row(view.values[self.on].square()) / 2


@TERMS.register("geocross")
class Geocross(Term):
    """How far the layers of w+ (N, L, d) stray from each other (Menon et al. 2020, eq. 5, as in their code): the mean
    over the L x L pairs of the squared angle between two layers, times d / 8. 0 for latents of one layer.

    of: the "input" of the generator (PULSE), or the "value" that is optimised in its place (ILO).
    norms: "equal" takes the published angle, which is right for layers of equal norm only; "any" the true one.
    """

    kind: str = "geocross"
    on: str = Field("w+", description="the variable")
    of: Literal["value", "input"] = "input"
    norms: Literal["equal", "any"] = "equal"

    @property
    def name(self):
        return f"geocross({self.on})"

    @property
    def variables(self):
        return (self.on,)

    def __call__(self, view):
        layers = (view.values if self.of == "value" else view.latents)[self.on]
        if layers.ndim < 3 or layers.shape[1] == 1:
            return 0 * per_row(layers)
        return geocross(layers if self.norms == "equal" else unit(layers, 2))


def geocross(layers: Tensor) -> Tensor:
    """(N, L, d) -> (N,)."""
    differences, sums = (distances(layers, other) for other in (layers, -layers))
    angles = 2 * torch.atan2(differences, sums)
    return per_row(angles.square()) * layers.shape[2] / 8


def distances(a: Tensor, b: Tensor) -> Tensor:
    """(N, L, d) twice -> (N, L, L), with a finite gradient where vectors coincide."""
    exact = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return (exact.square() + INSIDE_ROOTS).sqrt()


@TERMS.register("noise-regulariser")
class NoiseRegulariser(Term):
    """How much the noise maps of a row are like themselves, moved by a pixel (Karras et al. 2020, appendix D): the sum
    over maps, over their halved copies down to 8 pixels and over both directions, of the squared mean product. Left
    out of runs whose variables hold no ``noise[0]``."""

    kind: str = "noise-regulariser"

    @property
    def variables(self):
        return ("noise[0]",)

    def __call__(self, view):
        maps = [value for name, value in view.values.items() if NOISE.fullmatch(name)]
        if not maps:
            names = ", ".join(sorted(view.values))
            raise ValueError(
                f"got the variables {names}, expected noise maps; add noise[*] to the recipe's variables, or leave "
                f"the term {self.name} out"
            )
        return sum(autocorrelation(noise) for noise in maps)


def autocorrelation(noise: Tensor) -> Tensor:
    """(N, 1, s, s) -> (N,)."""
    total = 0
    while True:
        for axis in (2, 3):
            total = total + per_row(noise * noise.roll(1, axis)).square()
        if noise.shape[-1] <= 8:
            return total
        noise = F.avg_pool2d(noise, 2)
