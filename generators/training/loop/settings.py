"""The settings of a training run, and their defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from generators.errors import TrainingError

# Settings that cannot change in a resumed run.
FIXED = ("arch", "width", "z_dim", "seed", "teacher", "critic")


@dataclass(frozen=True)
class Settings:
    """Settings of a training run.

    Attributes:
        arch: "biggan" or "stylegan2".
        width: channel multiplier (biggan: its maps have 4 times as many at 32 px), or channels of all maps (stylegan2).
        z_dim: size of z.
        batch: rows of real and of generated pictures in a step.
        d_steps: steps of the discriminator for each step of the generator.
        lr: learning rate of Adam.
        beta2: of Adam, whose beta1 is 0.
        r1: gamma of the gradient penalty (Mescheder et al. 2018), taken every ``r1_every`` steps.
        augment: strength of differentiable augmentation, 0 for none.
        half_life: pictures in which the share of older weights in the average halves; at the beginning a twentieth of
            the pictures seen.
        r1_every: see ``r1``.
        seed: of all random numbers.
        pictures: seen at the end of the run, 0 for no end.
        decay: the last pictures, over which the learning rate falls linearly to zero.
        bf16: whether maps and convolutions are bfloat16.
        teacher: a prior that ``generators.load`` takes, or "".
        teaching: weight of the distance to its pictures, 0 to train on real pictures alone.
        lessons: the first pictures, during which only that distance is trained.
        together: rows of one class in a batch, over which StyleGAN2's discriminator takes the minibatch deviation. Over
            several classes it would hardly notice that all rows of one class are alike.
        critic: a prior whose discriminator the run starts from, "" for random weights.
        d_lr: learning rate of the discriminator, 0 for ``lr``.
        d_beta2: of the discriminator, 0 for ``beta2``.
    """

    arch: str
    width: int
    z_dim: int
    batch: int
    d_steps: int
    lr: float
    beta2: float
    r1: float
    augment: float
    half_life: int = 500_000
    r1_every: int = 16
    seed: int = 0
    pictures: int = 0
    decay: int = 0
    bf16: bool = True
    teacher: str = ""
    teaching: float = 0.0
    lessons: int = 0
    together: int = 1
    critic: str = ""
    d_lr: float = 0.0
    d_beta2: float = 0.0

    def __post_init__(self):
        minimum = {"width": 1, "z_dim": 1, "batch": 2, "d_steps": 1, "r1_every": 1, "half_life": 1, "together": 1}
        minimum |= dict.fromkeys(
            ("lr", "d_lr", "d_beta2", "r1", "augment", "pictures", "decay", "seed", "teaching", "lessons"), 0
        )
        for name, low in minimum.items():
            if getattr(self, name) < low:
                raise TrainingError(f"got {name} {getattr(self, name)}, expected at least {low}")
        if self.batch % self.together:
            raise TrainingError(f"got batch {self.batch}, expected a multiple of the {self.together} rows of one class")
        if self.teaching and not self.teacher:
            raise TrainingError(
                f"got teaching {self.teaching:g} without a teacher; give --teacher, or leave --teaching out"
            )
        if self.lessons and not self.teaching:
            raise TrainingError(f"got lessons {self.lessons} without teaching; give --teacher, or leave --lessons out")
        if self.decay > self.pictures:
            raise TrainingError(
                f"got decay {self.decay} of {self.pictures} pictures; give --pictures, the end of the run, and no "
                "longer --decay"
            )

    def with_changes(self, **values: Any) -> Settings:
        """Return a copy with the values that are not None.

        Raises:
            TrainingError: a value cannot change.
        """
        changes = {name: value for name, value in values.items() if value is not None}
        for name in FIXED:
            if name in changes and changes[name] != getattr(self, name):
                raise TrainingError(
                    f"this run was begun with {name} {getattr(self, name)}, got {changes[name]}; leave it out, or "
                    "choose another --out"
                )
        return replace(self, **changes)

    def rate(self, seen: int) -> float:
        """Return the factor of the learning rate after so many pictures."""
        return min(1.0, max(0.0, (self.pictures - seen) / self.decay)) if self.decay else 1.0


def default_settings(arch: str, device: str, **values: Any) -> Settings:
    """Return the default settings for an architecture and device ("cpu" or "cuda").

    ``values`` that are not None replace them.
    """
    gpu = device != "cpu"
    if arch == "biggan":
        # On a GPU as published for CIFAR-10 (Brock et al. 2019), except for batches of 128 instead of 50.
        own = {"width": 64 if gpu else 24, "z_dim": 128, "batch": 128 if gpu else 64, "d_steps": 4 if gpu else 2}
        own |= {"lr": 2e-4, "beta2": 0.999, "r1": 0.0, "augment": 0.0}
    else:
        own = {"width": 224 if gpu else 96, "z_dim": 512, "batch": 128 if gpu else 32, "d_steps": 1, "lr": 2.5e-3}
        own |= {"beta2": 0.99, "r1": 0.01, "augment": 1.0 if gpu else 0.0, "together": 8}
    if values.get("teacher"):
        own["teaching"] = 5.0
    if values.get("critic"):
        own |= {"d_lr": 2e-4, "d_beta2": 0.999, "r1": 0.0, "together": 1}
    return Settings(arch, **own | {name: value for name, value in values.items() if value is not None})
