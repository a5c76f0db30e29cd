"""Distillation from a trained prior, which shows which picture belongs to which z (Chang and Lu 2020, "TinyGAN")."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from generators.base import Discriminator, GeneratorInfo
from generators.errors import TrainingError
from generators.load import load

SMALLEST = 4  # px, of the pyramid on which pictures are compared


class Teacher:
    """A trained prior whose pictures the generator imitates.

    It gives a small adversarial run variety: the distance to its pictures cannot be lowered by generating the same
    picture for every z.

    Args:
        weights: a file or name that ``generators.load`` takes, with the pupil's z, classes and resolution.
        taught: description of the pupil.
        device: of the run.

    Raises:
        TrainingError: teacher and pupil do not fit.
        WeightsError: the weights cannot be loaded.
    """

    def __init__(self, weights: str, target: GeneratorInfo, device: torch.device):
        prior = load(weights)
        for asked, own in zip(_kind(target), _kind(prior.generator.info), strict=True):
            if asked != own:
                raise TrainingError(f"{weights}: got a teacher with {own}, expected {asked}, like the trained network")
        networks = prior.generator, prior.discriminator
        self.generator, self.discriminator = (
            network and network.to(device, memory_format=torch.channels_last) for network in networks
        )

    def __call__(self, z: Tensor, classes: Tensor) -> Tensor:
        """Return the teacher's pictures (N, 3, R, R) for z (N, z_dim) and classes (N,) int64."""
        with torch.no_grad():
            return self.generator({"z": z, "class": classes}).clamp(-1, 1)

    def distance(self, pictures: Tensor, target: Tensor, classes: Tensor) -> Tensor:
        """Return the distance between pictures (N, 3, R, R), a scalar.

        It is the mean absolute difference over a pyramid from R down to 4 px, plus that of the features of the
        teacher's discriminator, if it has one, relative to their size.
        """
        return pyramid_distance(pictures, target) + (
            feature_distance(pictures, target, self.discriminator, classes) if self.discriminator else 0
        )


def _kind(info: GeneratorInfo) -> tuple[str, ...]:
    z = [spec.shape[0] for spec in info.latents if spec.chart == "z"]
    return f"z of {z[0] if z else 0} numbers", f"{len(info.classes)} classes", f"pictures of {info.resolution} px"


def pyramid_distance(pictures: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference, averaged over a pyramid from R down to 4 px."""
    parts = [(pictures - target).abs().mean()]
    while pictures.shape[-1] > SMALLEST:
        pictures, target = F.avg_pool2d(pictures, 2), F.avg_pool2d(target, 2)
        parts.append((pictures - target).abs().mean())
    return torch.stack(parts).mean()


def feature_distance(pictures: Tensor, target: Tensor, discriminator: Discriminator, classes: Tensor) -> Tensor:
    """Return the mean absolute difference of features, relative to their mean absolute value."""
    with torch.no_grad():
        targets = [found.float() for found in discriminator.features(target, classes)]
    found = discriminator.features(pictures, classes)
    return torch.stack([(a - b).abs().mean() / b.abs().mean() for a, b in zip(found, targets, strict=True)]).mean()
