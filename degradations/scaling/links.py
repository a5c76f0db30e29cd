"""How the observation of a chain is shrunk."""

from __future__ import annotations

import torch

from degradations.scaling.scalable import Scalable


class ScalableLinks(Scalable):
    """Mixin of ``Chain``: y is averaged as the last links that keep the places of pixels require."""

    def _find_missing(self, hw):
        masks = []
        for link in reversed(self.links):
            masks += [mask for mask in [link._find_missing(hw)] if mask is not None]
            if not (link.pointwise or link.keeps_places):
                break
        return torch.stack(torch.broadcast_tensors(*masks)).any(0) if masks else None

    def _average(self, y, seen, size):
        for link in self._links_that_shape_files():
            if type(link)._average is not Scalable._average:
                return link._average(y, seen, size)
        return super()._average(y, seen, size)

    def scale_of_y(self, factor):
        for link in self.links:
            factor = link.scale_of_y(factor)
        return factor
