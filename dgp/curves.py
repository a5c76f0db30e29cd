"""Learning-rate curves: the fraction of a stage that has passed, in [0, 1) -> a factor of the learning rate."""

from __future__ import annotations

import math

CURVES = {
    "constant": lambda t: 1.0,
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
    "linear": lambda t: 1.0 - t,
    "fading": lambda t: max(0.0, 1.0 - t / 0.75) ** 2,  # of the jitter of StyleGAN2's projector
}
