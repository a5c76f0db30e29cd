"""The prior's square turned back to its place around a face, computed part by part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dgp.faces.alignment import Alignment, Box
from dgp.observation.full_size.enlargement import resize_matrix


@dataclass(frozen=True, eq=False)
class AlignedPicture:
    """A picture in a rotated square of the output, of which any part can be computed alone.

    It is resized to the square's size by antialiased bicubic interpolation, and turned by bicubic interpolation.

    Attributes:
        picture: (c, S, S) float32, of about the square's size in pixels.
        alignment: the square in the output.
    """

    picture: Tensor
    alignment: Alignment

    @classmethod
    def to_size(cls, picture: Tensor, alignment: Alignment) -> AlignedPicture:
        """Prepare a picture (c, R, R) in [-1, 1] for a square of the output."""
        matrix = resize_matrix(picture.shape[-1], max(1, round(alignment.side)))
        return cls(matrix @ picture @ matrix.T, alignment)

    @property
    def box(self) -> Box:
        """The smallest box around the square."""
        return self.alignment.box

    def lay_over(self, around: Tensor, box: Box) -> Tensor:
        """Return a part of the output with the picture laid over it, where the square is.

        Args:
            around: (1, c, height, width), what the output shows in the box.
            box: any box.
        """
        u, v = (torch.from_numpy(axis) for axis in self.alignment.coordinates(box))
        places = torch.stack([2 * u - 1, 2 * v - 1], -1)[None]
        turned = F.grid_sample(
            self.picture[None], places, mode="bicubic", padding_mode="border", align_corners=False
        ).clamp(-1, 1)
        inside = (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)
        return torch.where(inside, turned, around)
