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

    def coarsened(self, size, factor):
        """Coarsen each link for the size that it is given.

        After a link that hides pixels, the others must keep the places of pixels: elsewhere they would mix pixels that
        only the coarser picture hides into y.
        """
        coarse, hides = [], False
        for link, hw in zip(self.links, self._sizes(size), strict=False):
            if hides and not (link.pointwise or link.keeps_places):
                return None
            small = link.coarsened(hw, factor)
            if small is None:
                return None
            coarse.append(small)
            hides = hides or (factor < 1 and link.uninformative(hw) is not None)
            factor = link.scale_of_y(factor)
        pending = iter(coarse)
        return self.replace_links(lambda link: next(pending))

    def scale_of_y(self, factor):
        for link in self.links:
            factor = link.scale_of_y(factor)
        return factor
