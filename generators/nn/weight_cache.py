"""A cache of tensors that layers derive from their weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class WeightCache:
    """Mix-in for modules with a ``weight``: caches tensors derived from it.

    Nothing is cached for a weight that takes a gradient. A weight that is replaced or written into is derived again.
    """

    weight: Tensor

    def get_derived(self, name: str, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return ``compute(weight)``, cached under ``name`` until the weight changes."""
        if self.weight.requires_grad or self.weight.is_inference():
            return compute(self.weight)
        cache = self.__dict__.setdefault("_derived_weights", {})
        weight, version, value = cache.get(name, (None, None, None))
        if weight is not self.weight or version != self.weight._version:
            # The grad, inference and autocast modes of the first call must not affect later calls.
            with (
                torch.inference_mode(False),
                torch.no_grad(),
                torch.autocast(self.weight.device.type, enabled=False),
            ):
                value = compute(self.weight)
            cache[name] = self.weight, self.weight._version, value
        return value

    def _apply(self, fn, recurse=True):
        self.__dict__.pop("_derived_weights", None)
        return super()._apply(fn, recurse)

    def __getstate__(self):
        # Versions of a copied weight restart from zero, so that an outdated tensor could pass for a current one.
        return {name: value for name, value in self.__dict__.items() if name != "_derived_weights"}
