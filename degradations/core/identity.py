"""The operator that leaves a picture unchanged, for plain inversion."""

from __future__ import annotations

from degradations.core.base import Degradation
from degradations.core.registry import register
from degradations.files.pictures import expect_pictures
from degradations.scaling.laws import compute_noise_gain


@register("identity")
class Identity(Degradation):
    """Leave the picture unchanged: y = x."""

    linear = True
    pointwise = True
    multiscale = True
    keeps_size = True
    keeps_channels = True

    def forward(self, x):
        return expect_pictures(x)

    def adjoint(self, y, size):
        return y

    def merge(self, x, y):
        return y.to(x).expand_as(x).clamp(-1, 1)

    def propagate_unobserved(self, size, uninformative, channels=3):
        return uninformative

    def undo(self, x, y, deviation):
        return y, self._add_own_noise(y, deviation)

    alignment = 1

    def reach(self, size):
        return 0


def vanish(operator: Degradation, factor: float) -> Identity:
    """Return the identity, with what remains of the noise that was set on an operator when y is shrunk."""
    identity = Identity()
    if operator.noise is not None:
        identity.noise = operator.noise.averaged(compute_noise_gain(operator.scale_of_y(factor)))
    return identity
