"""Operators for rectangular parts of a picture, so that large photographs can be processed part by part."""

from __future__ import annotations

from typing import Self

from degradations.detail.probing import SIDE, probe_alignment, probe_reach
from degradations.files.pictures import Size

Box = tuple[int, int, int, int]

BLOCKS = 16  # pixels around a part that denoising in blocks of 8x8 looks at
REACHES = 3  # reaches after which the border of a part no longer matters for deconvolution, measured on photographs


class Parts:
    """Mixin of ``Degradation``: cutting a picture into parts.

    A part is cut at multiples of ``alignment``, or at the border of the picture. Phi of a part equals the part of phi
    of the whole, except within ``reach`` pixels of the cut.
    """

    @property
    def alignment(self) -> int | None:
        """The multiple at which parts begin and end, or None: a picture cannot be cut. Default: found by trial."""
        return probe_alignment(self, self.reach((SIDE, SIDE)))

    def reach(self, size: Size) -> int | None:
        """Return how many pixels around a pixel of y influence it; None: any may. Default: 0, or found by trial.

        Args:
            size: (H, W) of the whole picture.
        """
        return 0 if self.pointwise else probe_reach(self)

    def part(self, box: Box, size: Size) -> Self | None:
        """Return the operator for a part of a picture, or None if only the whole picture can be processed.

        Args:
            box: (left, top, right, bottom) in pixels of the whole, right and bottom excluded.
            size: (H, W) of the whole picture.
        """
        return None if self.alignment is None else self

    def detail_margin(self, size: Size) -> int | None:
        """Return how many pixels ``restore_detail`` needs around a part, a multiple of ``alignment``; None: all.

        Args:
            size: (H, W) of the whole picture.
        """
        reach, alignment = self.reach(size), self.alignment
        if reach is None or alignment is None:
            return None
        return -(-(REACHES * reach + BLOCKS) // alignment) * alignment
