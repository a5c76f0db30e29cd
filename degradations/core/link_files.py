"""How the picture files of a chain are read, written and shown."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from degradations.core.base import Degradation


class LinkFiles(Degradation):
    """Base class of ``Chain``: files are determined by the last link, and by those before it while pixels keep places.

    Attributes:
        links: the operators, in the order in which they damage the picture.
    """

    def _links_that_shape_files(self) -> Iterator[Degradation]:
        for link in reversed(self.links):
            yield link
            if not link.pointwise:
                return

    def _last_overrides(self, method: str) -> bool:
        return getattr(type(self.links[-1]), method) is not getattr(Degradation, method)

    def read(self, picture):
        if self._last_overrides("read"):
            return self.set_known_values(self.links[-1].read(picture))
        return super().read(picture)

    def picture(self, y):
        if self._last_overrides("picture"):
            return self.links[-1].picture(y)
        if y.shape[-3] not in (1, 3):
            y = self.links[-1].lift(y[:1], tuple(y.shape[-2:]))
        return super().picture(y)

    def convert_to_gray(self, picture):
        for link in self.links:
            if link.channels(3) == 1:
                return link.convert_to_gray(picture)
        return super().convert_to_gray(picture)

    def set_known_values(self, y):
        for link in self._links_that_shape_files():
            y = link.set_known_values(y)
        return y

    def lift(self, y, size):
        """Apply the links' own ``lift``, from the last to the first; resize y once for those that have none."""
        sizes = self._sizes(size)
        for link, before, after in reversed(list(zip(self.links, sizes, sizes[1:], strict=False))):
            if type(link).lift is not Degradation.lift:
                y = y if tuple(y.shape[-2:]) == after else Degradation.lift(self, y, after)
                y = link.lift(y, before)
        return super().lift(y, size)

    def uninformative(self, hw):
        masks = [mask for link in self._links_that_shape_files() if (mask := link.uninformative(hw)) is not None]
        return torch.stack(torch.broadcast_tensors(*masks)).any(0) if masks else None

    @property
    def alpha_marks_missing(self):
        return any(link.alpha_marks_missing for link in self._links_that_shape_files())

    def alpha_mask(self, hw):
        masks = [mask for link in self._links_that_shape_files() if (mask := link.alpha_mask(hw)) is not None]
        return torch.stack(masks).any(0) if masks else None
