"""Terms on the variables: the likelihood of latents, and what keeps layers and noise maps close to their prior."""

from __future__ import annotations

import math
import re
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from dgp.losses.cosine import normalize
from dgp.losses.prediction import mean_per_row
from dgp.losses.terms import TERMS, Term, VariableTerm
from dgp.variables.classes import nearest_classes

NOISE = re.compile(r"noise\[\d+\]")
LEAST_PROBABILITY = 1e-6  # a classifier cannot tell smaller ones apart
EPSILON = 1e-9  # added under square roots, as in PULSE's code


@TERMS.register("nll")
class NegativeLogLikelihood(VariableTerm):
    """L = ||z||^2 / (2 d): the negative log-likelihood of a standard normal z over its d entries, less a constant."""

    kind: str = "nll"
    on: str = Field("z", description="the variable")

    def __call__(self, prediction):
        return mean_per_row(prediction.values[self.on].square()) / 2


@TERMS.register("layer-spread")
class LayerSpread(VariableTerm):
    """L = sum_l ||v_l - mean(v)||^2 / (2 d L): how far the layers of w+ (N, L, d) are from their mean.

    A generator is trained with one w for all layers. Of the value that is optimised, in which the prior is standard
    normal (``correlated-gaussian``), a weight of 1 / s^2 times that of ``nll`` lets layers deviate by s.
    """

    kind: str = "layer-spread"
    on: str = Field("w+", description="the variable")

    def __call__(self, prediction):
        layers = prediction.values[self.on]
        return mean_per_row((layers - layers.mean(1, keepdim=True)).square()) / 2


@TERMS.register("class-nll")
class ClassNegativeLogLikelihood(Term):
    """L = -log p(c | y): the improbability of the class that a row is drawn in, given the observation.

    A row's class is that of the nearest embedding. 0 where the class is given, or no probabilities are known.
    """

    kind: str = "class-nll"

    @property
    def variables(self):
        return ("class",)

    def __call__(self, prediction):
        value, pictures = prediction.values["class"].detach(), prediction.pictures.tolist()
        losses = torch.zeros(len(value), device=value.device)
        known = {picture: prediction.batch.observations[picture].class_probabilities for picture in set(pictures)}
        if all(one is None for one in known.values()):
            return losses
        for row, number in enumerate(nearest_classes(prediction.prior.generator, value).tolist()):
            if (probabilities := known[pictures[row]]) is not None:
                losses[row] = -math.log(max(float(probabilities[number]), LEAST_PROBABILITY))
        return losses


@TERMS.register("geocross")
class Geocross(VariableTerm):
    """L = d / 8 * mean over pairs (i, j) of angle(w_i, w_j)^2 of the layers of w+ (Menon et al. 2020, eq. 5).

    As in the published code the mean is over all L x L pairs of w+ (N, L, d); 0 for latents of one layer.

    of: the "input" of the generator (PULSE), or the "value" that is optimised in its place (ILO).
    norms: "equal" takes the published angle, which is right for layers of equal norm only; "any" the true one.
    """

    kind: str = "geocross"
    on: str = Field("w+", description="the variable")
    of: Literal["value", "input"] = "input"
    norms: Literal["equal", "any"] = "equal"

    def __call__(self, prediction):
        layers = (prediction.values if self.of == "value" else prediction.latents)[self.on]
        if layers.ndim < 3 or layers.shape[1] == 1:
            return 0 * mean_per_row(layers)
        return geocross(layers if self.norms == "equal" else normalize(layers, 2))


def geocross(layers: Tensor) -> Tensor:
    """Return d / 8 times the mean squared angle between layers of equal norm: (N, L, d) -> (N,)."""
    differences, sums = (pairwise_distance(layers, other) for other in (layers, -layers))
    angles = 2 * torch.atan2(differences, sums)
    return mean_per_row(angles.square()) * layers.shape[2] / 8


def pairwise_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return distances between vectors, (N, L, d) twice -> (N, L, L), with a finite gradient where vectors coincide."""
    exact = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return (exact.square() + EPSILON).sqrt()


@TERMS.register("noise-regulariser")
class NoiseRegulariser(Term):
    """Squared correlation of noise maps with themselves shifted by a pixel (Karras et al. 2020, appendix D).

    The sum over maps, over their copies halved down to 8 pixels, and over both directions, of the squared mean product.
    The term is left out of runs whose variables hold no ``noise[0]``.
    """

    kind: str = "noise-regulariser"

    @property
    def variables(self):
        return ("noise[0]",)

    def __call__(self, prediction):
        maps = [value for name, value in prediction.values.items() if NOISE.fullmatch(name)]
        if not maps:
            names = ", ".join(sorted(prediction.values))
            raise ValueError(
                f"got the variables {names}, expected noise maps; add noise[*] to the recipe's variables, or leave "
                f"the term {self.name} out"
            )
        return sum(autocorrelation(noise) for noise in maps)


def autocorrelation(noise: Tensor) -> Tensor:
    """Return the noise regulariser of one map: (N, 1, s, s) -> (N,)."""
    total = 0
    while True:
        for axis in (2, 3):
            total = total + mean_per_row(noise * noise.roll(1, axis)).square()
        if noise.shape[-1] <= 8:
            return total
        noise = F.avg_pool2d(noise, 2)
