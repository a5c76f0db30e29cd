"""What layers derive from a weight: computed once while the weight stands still."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class WeightCache:
    """Mix-in for modules with a ``weight``: ``self.form(name, make)`` is ``make(weight)``, kept while it holds.

    Of a weight that takes a gradient nothing is kept; of one that is replaced or written into it is made anew.
    """

    weight: Tensor

    def get_derived(self, name: str, compute: Callable[[Tensor], Tensor]) -> Tensor:
        if self.weight.requires_grad or self.weight.is_inference():
            return compute(self.weight)
        cache = self.__dict__.setdefault("_derived_weights", {})
        weight, version, value = cache.get(name, (None, None, None))
        if weight is not self.weight or version != self.weight._version:
            # The mode of the first call must not stay with what later calls are given.
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
        # A copy's weight counts its versions anew, so that a copied form could pass for its own.
        return {name: value for name, value in self.__dict__.items() if name != "_derived_weights"}
