"""The prior's square enlarged to its place in the output, computed part by part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dgp.observation.boxes import Box, intersect


@dataclass(frozen=True, eq=False)
class Enlargement:
    """A picture resized by bicubic interpolation, of which any part can be computed alone: A x B^T.

    Attributes:
        picture: (c, R, R) float32.
        rows: A, (height, R).
        columns: B, (width, R).
        corner: (left, top) of the enlarged picture in the output.
    """

    picture: Tensor
    rows: Tensor
    columns: Tensor
    corner: tuple[int, int]

    @classmethod
    def to_size(cls, picture: Tensor, size: tuple[int, int], corner: tuple[int, int]) -> Enlargement:
        """Prepare the enlargement of a picture.

        Args:
            picture: (c, R, R) in [-1, 1].
            size: (width, height) of the enlarged picture.
            corner: (left, top) of the enlarged picture in the output; negative where it reaches beyond.
        """
        rows, columns = (resize_matrix(n, size[axis]) for n, axis in zip(picture.shape[-2:], (1, 0), strict=True))
        return cls(picture, rows, columns, corner)

    @property
    def box(self) -> Box:
        """The place of the enlarged picture in the output."""
        left, top = self.corner
        return (left, top, left + len(self.columns), top + len(self.rows))

    def part(self, box: Box) -> Tensor:
        """Return the part of the output in a box that lies inside of ``box``, (1, c, height, width) in [-1, 1]."""
        left, top, right, bottom = box
        x, y = self.corner
        enlarged = self.rows[top - y : bottom - y] @ self.picture @ self.columns[left - x : right - x].T
        return enlarged.clamp(-1, 1)[None]

    def lay_over(self, around: Tensor, box: Box) -> Tensor:
        """Return a part of the output with the enlarged picture laid over it.

        Args:
            around: (1, c, height, width), what the output shows in the box.
            box: any box.
        """
        inside, result = intersect(box, self.box), around.clone()
        left, top = inside[0] - box[0], inside[1] - box[1]
        result[..., top : top + inside[3] - inside[1], left : left + inside[2] - inside[0]] = self.part(inside)
        return result


def resize_matrix(n: int, size: int) -> Tensor:
    """Return the matrix (size, n) of antialiased bicubic interpolation from n to `size` values; rows sum to 1."""
    if n == size:
        return torch.eye(n)
    identity = torch.eye(n)[None, None]
    return F.interpolate(identity, size=(size, n), mode="bicubic", antialias=True, align_corners=False)[0, 0]
