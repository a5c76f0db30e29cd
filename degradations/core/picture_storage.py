"""How an observation is stored in picture files, and read back."""

from __future__ import annotations

from PIL import Image
from torch import Tensor

from degradations.errors import SizeError
from degradations.files.pictures import Size, from_picture, luma, to_picture


class PictureStorage:
    """Mixin of ``Degradation``: ``picture`` converts y to what a file holds, ``read`` is its inverse.

    Attributes:
        alpha_marks_missing: picture files of y mark its uninformative pixels as transparent.
    """

    alpha_marks_missing = False

    def read(self, picture: Image.Image) -> Tensor:
        """Convert an opened file, as people store such pictures, to y.

        Returns:
            (1, c, h, w) float32 in [-1, 1].

        Raises:
            SizeError: y has other than 1 or 3 channels, so that the operator must define how it is stored.
        """
        c = self.channels(3)
        if c not in (1, 3):
            raise SizeError(
                f"{self._title()} gives y of {c} channels, and picture files have 1 or 3; define read(self, picture), "
                "which makes such a y of a file, or simulate"
            )
        y = from_picture(picture, matte=not self.alpha_marks_missing)
        if c == 1 and y.shape[1] == 3:
            y = self.convert_to_gray(y)
        elif c == 3 and y.shape[1] == 1:
            y = y.expand(-1, 3, -1, -1).contiguous()
        return self.set_known_values(y)

    def picture(self, y: Tensor) -> Image.Image:
        """Convert the first row of y to the 8-bit picture that a file would hold; ``read`` is its inverse.

        A y of other than 1 or 3 channels is shown as ``lift`` shows it.
        """
        if y.shape[-3] not in (1, 3):
            y = self.lift(y[:1], tuple(y.shape[-2:]))
        return to_picture(y, self.alpha_mask(tuple(y.shape[-2:])))

    def convert_to_gray(self, picture: Tensor) -> Tensor:
        """Convert a colour file of a grey y to that y: (N, 3, h, w) -> (N, 1, h, w). Default: Rec. 601 luma."""
        return luma(picture)

    def set_known_values(self, y: Tensor) -> Tensor:
        """Set the pixels of y whose value is known beforehand to exactly that value. Default: there are none.

        A hole, for example, is mid-grey (0), which no 8-bit level equals.
        """
        return y

    def alpha_mask(self, hw: Size) -> Tensor | None:
        """Return the pixels of y that its file marks as transparent: (h, w) bool, or None: no alpha channel."""
        return self.uninformative(hw)[0] if self.alpha_marks_missing else None
