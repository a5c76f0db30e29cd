"""Noise models that are no ``NoiseModel``: any object with ``sample`` and ``nll`` is accepted."""

from __future__ import annotations

from typing import Any

from degradations.noise.model import NoiseModel


class AdaptedNoise(NoiseModel):
    """A ``NoiseModel`` that wraps any object with ``sample`` and ``nll``.

    Args:
        model: the object. Where it has methods ``mean_square``, ``differences``, ``distance``, ``within`` or
            ``averaged`` they are used, otherwise the defaults of ``NoiseModel``.
    """

    def __init__(self, model: Any):
        self.model = model

    def sample(self, y, generator=None):
        return self.model.sample(y, generator)

    def nll(self, y_hat, y):
        return self.model.nll(y_hat, y)

    def mean_square(self, y_hat):
        return self.model.mean_square(y_hat) if self._has("mean_square") else super().mean_square(y_hat)

    def differences(self, y_hat, y):
        return self.model.differences(y_hat, y) if self._has("differences") else super().differences(y_hat, y)

    def distance(self, y_hat, y):
        return self.model.distance(y_hat, y) if self._has("distance") else super().distance(y_hat, y)

    def within(self, y_hat, y):
        return self.model.within(y_hat, y) if self._has("within") else super().within(y_hat, y)

    def averaged(self, gain):
        return adapt_noise(self.model.averaged(gain)) if self._has("averaged") else self

    def _has(self, method: str) -> bool:
        return callable(getattr(self.model, method, None))


def adapt_noise(noise: Any) -> NoiseModel | None:
    """Return None and a ``NoiseModel`` unchanged, and any other noise model wrapped."""
    return noise if noise is None or isinstance(noise, NoiseModel) else AdaptedNoise(noise)


class AdaptsNoise:
    """Mixin for classes with an attribute ``noise``: it wraps foreign noise models once, when they are set."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        own = vars(cls).get("noise")
        if isinstance(own, property):
            cls.noise = own.getter(lambda self: adapt_noise(own.fget(self)))
        elif hasattr(own, "sample"):
            cls.noise = adapt_noise(own)

    def __setattr__(self, name, value):
        super().__setattr__(name, adapt_noise(value) if name == "noise" else value)
