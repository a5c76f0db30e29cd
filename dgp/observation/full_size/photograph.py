"""The degraded picture at its own size: an answer is changed there, tile by tile, until it agrees with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from degradations import Degradation
from dgp.observation.boxes import Box, whole_box
from dgp.observation.images import to_tensor

TILE = 1024  # pixels: side of the parts that are merged one after the other,
POINTWISE_TILE = 2048  # and for pointwise operators, which need less memory, and whose holes should lie in one part
LARGEST_WHOLE = 2**22  # pixels of a picture that is merged as a whole, for operators that cannot be cut

Reader = Callable[[Box], Tensor]


@dataclass(frozen=True, eq=False)
class Photograph:
    """A degraded picture, and the operator that makes such a picture of one of the output's size.

    Attributes:
        picture: 8-bit "L" or "RGB".
        operator: built for `size`.
        size: (width, height) of the output, which the picture has too if the operator keeps the size.
    """

    picture: Image.Image
    operator: Degradation
    size: tuple[int, int]

    def with_operator(self, operator: Degradation) -> Photograph:
        """Return the photograph with another operator, such as one whose unknown parameters are known."""
        return replace(self, operator=operator)

    @cached_property
    def margin(self) -> int | None:
        """How many pixels around a part are needed to merge it; None: the whole picture."""
        return self.operator.detail_margin(self.size[::-1])

    @property
    def tiled(self) -> bool:
        """Whether the picture can be merged part by part."""
        return self.margin is not None and self.picture.size == self.size

    @property
    def mergeable(self) -> bool:
        """Whether an answer can be merged within bounded memory."""
        return self.tiled or self.size[0] * self.size[1] <= LARGEST_WHOLE

    def merge(self, read: Reader, region: Box) -> Iterator[tuple[Box, Tensor]]:
        """Yield the parts of an answer, changed as little as possible so that they agree with the photograph.

        Args:
            read: returns a part of the answer, (1, 3, height, width) in [-1, 1].
            region: the part of the output to change.

        Yields:
            Boxes that cover the region, and the answer in each, (1, 3, height, width) in [-1, 1].
        """
        for inner, outer in self._tiles(region):
            x, (operator, y) = read(outer), self.observe_part(outer)
            left, top = inner[0] - outer[0], inner[1] - outer[1]
            merged = operator.restore_detail(x, y)
            yield inner, merged[..., top : top + inner[3] - inner[1], left : left + inner[2] - inner[0]]

    def observe_part(self, box: Box) -> tuple[Degradation, Tensor]:
        """Return the operator for a part of the output, and what it shows of it, y (1, c, h, w)."""
        if box == whole_box(self.size):
            return self.operator, self.operator.read(self.picture)
        operator = self.operator.part(box, self.size[::-1])
        return operator, operator.read(self.picture.crop(box))

    def misfit(self, read: Reader) -> Misfit:
        """Compare a degraded answer with the photograph.

        Args:
            read: returns a part of the answer.
        """
        return sum((self._misfit_of_tile(read, *tile) for tile in self._tiles(whole_box(self.size))), Misfit())

    @torch.no_grad()
    def _misfit_of_tile(self, read: Reader, inner: Box, outer: Box) -> Misfit:
        operator, y = self.observe_part(outer)
        predicted = operator(read(outer))
        difference = (predicted - y).abs()
        hidden = operator.uninformative(tuple(y.shape[-2:]))
        if hidden is not None:
            difference = difference.masked_fill(hidden[:, None], torch.nan)
        if self.tiled:
            left, top = inner[0] - outer[0], inner[1] - outer[1]
            difference = difference[..., top : top + inner[3] - inner[1], left : left + inner[2] - inner[0]]
        seen = difference[~difference.isnan()].double()
        noise = seen.numel() * float(operator.mean_square_error(predicted).mean()) / 4
        largest = float(seen.max()) if seen.numel() else 0.0
        return Misfit(seen.numel(), float((seen / 2).square().sum()), largest, noise)

    def _tiles(self, region: Box) -> Iterator[tuple[Box, Box]]:
        """Yield boxes that cover a region, each with the box around it that its result depends on."""
        width, height = self.size
        if not self.tiled:
            yield whole_box(self.size), whole_box(self.size)
            return
        step, margin = self.operator.alignment, self.margin
        side = POINTWISE_TILE if self.operator.pointwise else TILE
        left, top = (edge // step * step for edge in region[:2])
        for y in range(top, region[3], side):
            for x in range(left, region[2], side):
                inner = (max(x, region[0]), max(y, region[1]), min(x + side, region[2]), min(y + side, region[3]))
                outer = (max(0, x - margin), max(0, y - margin))
                ends = (min(width, x + side + margin), min(height, y + side + margin))
                yield inner, (*outer, *ends)


@dataclass(frozen=True)
class Misfit:
    """Differences between a degraded answer and an observation.

    Attributes:
        count: number of values compared.
        squares: sum of the squares of the differences, in the range from black to white.
        largest: largest absolute difference, in [-1, 1] values.
        noise: the sum of squares that noise and lossy coding are expected to leave.
    """

    count: int = 0
    squares: float = 0.0
    largest: float = 0.0
    noise: float = 0.0

    def __add__(self, other: Misfit) -> Misfit:
        sums = (self.count + other.count, self.squares + other.squares)
        return Misfit(*sums, max(self.largest, other.largest), self.noise + other.noise)


def read_image(image: Image.Image) -> Reader:
    """Return a function that reads parts of an 8-bit picture, as (1, 3, height, width) in [-1, 1]."""
    return lambda box: to_tensor(image.crop(box).convert("RGB"))
