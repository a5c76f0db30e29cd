"""Adversarial losses of the two networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.base import Discriminator


@dataclass(frozen=True)
class Loss:
    """A pair of adversarial losses.

    Attributes:
        name: for the model card.
        discriminator: (logits of real pictures, of generated ones) -> scalar.
        generator: logits of generated pictures -> scalar.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


# By the discriminator's architecture.
LOSSES = {
    # Lim & Ye 2017, as BigGAN uses it.
    "biggan": Loss(
        "hinge loss", lambda real, fake: (F.relu(1 - real) + F.relu(1 + fake)).mean(), lambda fake: -fake.mean()
    ),
    # Goodfellow et al. 2014, non-saturating, as StyleGAN2 uses it.
    "stylegan2": Loss(
        "non-saturating logistic loss",
        lambda real, fake: (F.softplus(-real) + F.softplus(fake)).mean(),
        lambda fake: F.softplus(-fake).mean(),
    ),
}


def r1(discriminator: Discriminator, x: Tensor, classes: Tensor) -> Tensor:
    """Return the R1 penalty without its factor gamma / 2 (Mescheder et al. 2018, equation 9).

    It is the mean squared norm of the logit's gradient at real pictures x (N, 3, R, R).
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(discriminator.logit(x, classes).sum(), x, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()
