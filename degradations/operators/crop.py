"""Crops of a picture, whose surroundings are to be generated."""

from __future__ import annotations

from fractions import Fraction

import torch
import torch.nn.functional as F

from degradations.core.base import Degradation, Size
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SizeError, SpecError
from degradations.files.pictures import expect_pictures
from degradations.scaling.units import PIXELS, SIDE

Box = tuple[int, int, int, int]


class Window(Degradation):
    """Keep the part of x inside ``frame``: (N, C, H, W) -> (N, C, h, w). Subclasses define where it is."""

    linear = True
    keeps_channels = True

    def frame(self, hw: Size) -> Box:
        """Return the part that is kept, for an x of (H, W).

        Returns:
            (left, top, right, bottom) in pixels of x, right and bottom excluded.
        """
        raise NotImplementedError

    def _check_frame(self, box: Box, hw: Size) -> Box:
        left, top, right, bottom = box
        if not (0 <= left < right <= hw[1] and 0 <= top < bottom <= hw[0]):
            raise SizeError(
                f"{self.spec} leaves nothing of a picture of {hw[1]}x{hw[0]} (width x height), or lies beyond it"
            )
        return box

    def _pads(self, hw: Size) -> tuple[int, int, int, int]:
        left, top, right, bottom = self.frame(hw)
        return left, hw[1] - right, top, hw[0] - bottom

    def forward(self, x):
        left, top, right, bottom = self.frame(tuple(expect_pictures(x).shape[-2:]))
        return x[..., top:bottom, left:right]

    def size(self, hw):
        left, top, right, bottom = self.frame(tuple(hw))
        return bottom - top, right - left

    def adjoint(self, y, size):
        return F.pad(y, self._pads(tuple(size)))

    def lift(self, y, size):
        """Place y at its position in a mid-grey picture."""
        y = F.pad(y, self._pads(tuple(size)))
        return y if y.shape[1] == 3 else super().lift(y, size)

    @torch.no_grad()
    def merge(self, x, y):
        """Paste y into x."""
        pads = self._pads(tuple(x.shape[-2:]))
        observed = F.pad(torch.ones_like(y[:1, :1], dtype=torch.bool), pads)
        return torch.where(observed, F.pad(y.to(x), pads), x).clamp(-1, 1)

    def propagate_unobserved(self, size, uninformative, channels=3):
        if uninformative is None:
            uninformative = torch.zeros(1, *self.size(size), dtype=torch.bool)
        return F.pad(uninformative, self._pads(tuple(size)), value=True)

    def undo(self, x, y, deviation):
        """Paste y into x, whose surroundings are changed smoothly so that they fit at the rim."""
        pads = self._pads(tuple(x.shape[-2:]))
        known = F.pad(torch.ones_like(y[:1, :1], dtype=torch.bool), pads)
        return self._fill(x, F.pad(y, pads), known, deviation)

    alignment = None

    def reach(self, size):
        return None


@register("crop")
class Crop(Window):
    """Crop the picture to a part of it: y = x[top:bottom, left:right]. (N, C, H, W) -> (N, C, h, w).

    ``center`` keeps a centred part of each side, the pixels that ``inpaint:center`` would remove; ``box`` keeps a
    rectangle of the original picture. ``dgp restore`` generates what is around it; see also ``outpaint``.
    """

    parameters_spec = (
        Parameter(
            "center", kind="fraction", bounds=(0, 1), unit=SIDE, help="the part that is kept, a fraction of each side"
        ),
        Parameter(
            "box",
            kind="box",
            unit=PIXELS,
            help="the part that is kept: left-top-right-bottom, right and bottom excluded",
        ),
    )
    example = "crop:center=2/3"

    def __init__(self, center: Fraction | float | str | None = None, box: Box | None = None):
        super().__init__(center=Fraction(center) if isinstance(center, str) else center, box=box)
        if (self.center is None) == (self.box is None):
            got = "both" if self.box else "neither"
            raise SpecError(f"crop needs one of center and box, got {got}; e.g. {self.example}")
        if self.center == 0:
            raise SpecError("crop: center=0 keeps nothing; give a fraction above 0")

    def frame(self, hw):
        if self.box is not None:
            return self._check_frame(self.box, hw)
        top, left = ((n - int(self.center * n)) // 2 for n in hw)
        return self._check_frame((left, top, hw[1] - left, hw[0] - top), hw)


@register("outpaint")
class Outpaint(Window):
    """Keep the inside of a larger picture, whose margins are to be generated. (N, C, H, W) -> (N, C, h, w).

    Margins are fractions of the whole picture, that is of the result: ``outpaint:1/4`` adds a quarter of the result's
    side on each side, so the given picture fills its middle half. ``outpaint:left=1/3`` adds on the left only.
    """

    parameters_spec = (
        Parameter(
            "margin",
            kind="fraction",
            bounds=(0, 0.999),
            unit=SIDE,
            help="margin on each side, as a share of the result",
        ),
        Parameter("left", kind="fraction", bounds=(0, 0.999), unit=SIDE, help="on the left, instead of margin"),
        Parameter("top", kind="fraction", bounds=(0, 0.999), unit=SIDE, help="above, instead of margin"),
        Parameter("right", kind="fraction", bounds=(0, 0.999), unit=SIDE, help="on the right, instead of margin"),
        Parameter("bottom", kind="fraction", bounds=(0, 0.999), unit=SIDE, help="below, instead of margin"),
    )
    example = "outpaint:1/5"

    def __init__(self, margin=None, left=None, top=None, right=None, bottom=None):
        margins = {"margin": margin, "left": left, "top": top, "right": right, "bottom": bottom}
        super().__init__(**{k: Fraction(v) if isinstance(v, str) else v for k, v in margins.items()})
        if not any(getattr(self, name) for name in margins):
            raise SpecError(f"outpaint adds nothing; give a margin, e.g. {self.example} or outpaint:left=1/3")
        for a, b in (("left", "right"), ("top", "bottom")):
            if (share := self._share(a) + self._share(b)) >= 1:
                raise SpecError(f"outpaint: {a} and {b} add {float(share):g} of the whole; expected less than 1")

    def _share(self, side: str) -> Fraction:
        own = getattr(self, side)
        return own if own is not None else self.margin or Fraction(0)

    def frame(self, hw):
        left, right = (round(self._share(side) * hw[1]) for side in ("left", "right"))
        top, bottom = (round(self._share(side) * hw[0]) for side in ("top", "bottom"))
        return self._check_frame((left, top, hw[1] - right, hw[0] - bottom), hw)
