"""Missing pixels."""

from __future__ import annotations

import functools
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.identity import Identity, vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import MaskError, SizeError, SpecError
from degradations.files.masks import read_mask
from degradations.files.pictures import expect_pictures
from degradations.masks import masks
from degradations.scaling.shrinking import scale_size, shrink_mask
from degradations.scaling.units import PICTURE, PIXELS, SIDE

KEPT_SHARE = 0.9  # of the seen pixels, in squares that are wholly seen, below which a mask counts as detail
SOURCES = ("mask", "center", "box", "strokes", "pixels")


@register("inpaint")
class Inpaint(Degradation):
    """Remove the pixels of a mask: y = 0 (mid-grey) where pixels are missing, else x. (N, C, H, W) -> (N, C, H, W).

    Give one of mask, center, box, strokes and pixels. ``center`` and ``box`` work at any size that holds them; the
    others get their pixels from ``build`` and then fit one size only. A picture written with ``mask=alpha`` is
    transparent where pixels are missing. ``mask=auto`` is a proposal: `dgp` saves it beside the result, to be corrected
    and given again as a file.
    """

    linear = True
    pointwise = True
    multiscale = True
    keeps_size = True
    keeps_channels = True
    parameters_spec = (
        Parameter(
            "mask",
            kind="text",
            help="a picture file, white where pixels are missing, or a transparent layer on which they are painted; "
            "'alpha' for the transparency of the picture itself; or 'auto' for the scratches, creases, dust and holes "
            "that are found in it",
        ),
        Parameter(
            "center", kind="fraction", bounds=(0, 1), unit=SIDE, help="a centred hole of this fraction of each side"
        ),
        Parameter(
            "box",
            kind="box",
            unit=PIXELS,
            help="a rectangular hole: left-top-right-bottom, right and bottom excluded",
        ),
        Parameter(
            "strokes",
            bounds=(0.001, 0.95),
            unit=PICTURE,
            fixed=True,
            help="random brush strokes that cover this fraction",
        ),
        Parameter(
            "pixels",
            bounds=(0.0001, 0.9999),
            unit=PICTURE,
            fixed=True,
            help="random single pixels, this fraction of all",
        ),
        Parameter("invert", default=False, kind="bool", help="for a mask file: exchange missing and present pixels"),
        Parameter("seed", kind="int", bounds=(0, 2**63 - 1), help="for strokes and pixels; default: the run's seed"),
    )
    example = "inpaint:center=1/3"
    strengths = ("inpaint:center=1/3", "inpaint:strokes=0.3", "inpaint:pixels=0.7")

    def __init__(
        self,
        mask: str | None = None,
        center: Fraction | float | str | None = None,
        box: tuple[int, int, int, int] | None = None,
        strokes: float | None = None,
        pixels: float | None = None,
        seed: int | None = None,
        invert: bool = False,
    ):
        if isinstance(center, str):
            center = self.parameter("center").read(center)
        super().__init__(mask=mask, center=center, box=box, strokes=strokes, pixels=pixels, seed=seed, invert=invert)
        sources = [name for name in SOURCES if getattr(self, name) is not None]
        if len(sources) != 1:
            got = " and ".join(sources) or "none of them"
            raise SpecError(f"inpaint needs exactly one of {', '.join(SOURCES)}, got {got}; e.g. {self.example}")
        if self.seed is not None and sources[0] not in ("strokes", "pixels"):
            raise SpecError(f"inpaint: seed has no effect with {sources[0]}; leave it out")
        if self.invert and self.mask in (None, "alpha", "auto"):
            what = sources[0] if self.mask is None else f"mask={self.mask}"
            raise SpecError(f"inpaint: invert needs a mask file, got {what}; give mask=FILE, or leave invert out")
        if self.center in (0, 1):
            raise MaskError(
                f"inpaint: center={self.center} leaves {'nothing' if self.center else 'everything'} of the "
                "picture; give a fraction between 0 and 1"
            )
        self.register_buffer("missing", None)

    @classmethod
    def of(cls, mask: Tensor) -> Inpaint:
        """Return an operator for a mask in memory, ready to use.

        Its spec names the mask by its sha256, which ``assets`` holds too. It is a record only: the mask cannot be
        recovered from the text.

        Args:
            mask: (1 or N, 1, H, W) bool, true where pixels are missing.

        Raises:
            MaskError: another shape or dtype, or a row in which nothing or everything is missing.
        """
        if mask.ndim != 4 or mask.shape[1] != 1 or mask.dtype != torch.bool:
            raise MaskError(
                f"got a {str(mask.dtype)[6:]} mask of shape {tuple(mask.shape)}; expected bool (1 or N, 1, H, W)"
            )
        sha256 = masks.compute_sha256(mask)
        return cls(mask=f"sha256-{sha256}")._with_mask(
            masks.check_mask(mask.clone(), "the mask"), {"sha256": sha256, "path": None}
        )

    def _with_mask(self, mask: Tensor, asset: dict) -> Inpaint:
        built = self._shallow_copy()
        built.missing = mask
        built.assets = {"mask": asset}
        return built

    def build(self, picture=None, seed=0, size=None):
        """Read or draw the mask.

        Raises:
            MaskError: no such file, another size than the picture's, or nothing or everything missing.
        """
        picture_size = (picture.height, picture.width) if picture is not None else None
        size = tuple(size) if size is not None else picture_size
        if self.missing is not None:
            return self
        if self.center is not None or self.box is not None:
            if size is not None:
                self.mask_at(size)
            return self
        if self.mask is not None and self.mask.startswith("sha256-"):
            raise MaskError(f"{self.spec} names a mask that was given in memory; give it again, or give a file")
        if self.mask in ("alpha", "auto"):
            if picture is None:
                raise MaskError(
                    f"mask={self.mask} takes the mask from the degraded picture, but there is none; give mask=FILE"
                )
            mask = masks.read_alpha(picture) if self.mask == "alpha" else masks.detect_damage(picture)
            mask = masks.check_mask(mask, f"the picture's {'alpha channel' if self.mask == 'alpha' else 'damage'}")
            if picture_size != size:
                raise MaskError(
                    f"the picture with the mask is {picture_size[1]}x{picture_size[0]} and {size[1]}x{size[0]} "
                    "(width x height) is needed; give both at the same size"
                )
            return self._with_mask(mask, {"sha256": masks.compute_sha256(mask), "path": None})
        if self.mask is not None:
            file = read_mask(self.mask, size, self.invert)
            built = self._with_mask(file.missing, file.asset)
            built.remarks = (file.remark,)
            return built
        if size is None:
            raise MaskError(f"{self.spec} needs a size; call .build(picture) or .build(size=(H, W))")
        built = self._shallow_copy()
        built.seed = seed if self.seed is None else self.seed
        draw, amount = (
            (masks.draw_strokes, self.strokes) if self.strokes is not None else (masks.scatter_pixels, self.pixels)
        )
        mask = masks.check_mask(draw(amount, size, built.seed), f"{self.spec} at {size[1]}x{size[0]}")
        return built._with_mask(mask, {"sha256": masks.compute_sha256(mask), "path": None})

    def _scaled(self, factor):
        """Scale the hole: ``center`` stays, ``box`` shrinks, a mask is shrunk, and read first if it is a file.

        Strokes and pixels that are not drawn yet stay as they are, and are drawn for the small picture.
        """
        if self.missing is None and self.mask is None:
            return super()._scaled(factor)
        if self.missing is None and self.mask in ("alpha", "auto"):
            raise MaskError(f"{self.spec} is not resolved yet, and cannot be scaled; call .build(picture) first")
        full = self.build().missing
        missing = shrink_mask(full, scale_size(tuple(full.shape[-2:]), factor))
        if not bool(missing.any()):
            return vanish(self, factor)
        if bool(missing.all()):
            raise MaskError(
                f"{self.spec} leaves nothing at {missing.shape[-1]}x{missing.shape[-2]}; scale it down less"
            )
        return Inpaint(mask=f"sha256-{masks.compute_sha256(missing)}")._with_mask(missing, {})

    def coarsened(self, size, factor):
        """Hide every square of pixels that is not wholly seen; None if that hides more than a tenth of what is seen."""
        if factor == 1:
            return self
        full = self.mask_at(tuple(size))
        missing = F.adaptive_max_pool2d(full.float(), scale_size(size, factor)).bool()
        kept, whole = (1 - mask.float().mean((1, 2, 3)) for mask in (missing, full))
        if bool((kept < KEPT_SHARE * whole).any()):
            return None
        return Inpaint(mask=f"sha256-{masks.compute_sha256(missing)}")._with_mask(missing, {})

    def without_holes(self):
        return Identity()

    def mask_at(self, size: tuple[int, int]) -> Tensor:
        """Return the mask for pictures of a size: (1 or N, 1, H, W) bool, true where pixels are missing.

        Raises:
            SizeError: the mask does not fit this size.
            MaskError: the mask is not resolved yet.
        """
        h, w = size
        if self.missing is not None:
            if tuple(self.missing.shape[-2:]) != (h, w):
                mask_h, mask_w = self.missing.shape[-2:]
                raise SizeError(
                    f"got a picture of {w}x{h}; this mask is {mask_w}x{mask_h} (width x height) and fits that only"
                )
            return self.missing
        if self.center is not None:
            return masks.check_mask(masks.make_centred_hole(self.center, (h, w)), f"{self.spec} at {w}x{h}")
        if self.box is not None:
            left, top, right, bottom = self.box
            if right > w or bottom > h:
                raise SizeError(
                    f"{self.spec} does not lie within a picture of {w}x{h} (width x height); give a smaller box"
                )
            mask = torch.zeros(1, 1, h, w, dtype=torch.bool)
            mask[..., top:bottom, left:right] = True
            return masks.check_mask(mask, f"{self.spec} at {w}x{h}")
        raise MaskError(f"{self.spec} is not resolved yet; call .build(picture, seed) first")

    def _mask_for(self, x: Tensor) -> Tensor:
        size = tuple(expect_pictures(x).shape[-2:])
        if self.missing is None and (self.center is not None or self.box is not None):
            mask = make_hole(self.center, self.box, size, x.device)
        else:
            mask = self.mask_at(size).to(x.device)
        if len(mask) not in (1, len(x)):
            raise SizeError(f"got {len(x)} rows and {len(mask)} masks; give one mask for all rows, or one for each row")
        return mask

    def forward(self, x):
        return x.masked_fill(self._mask_for(x), 0)

    def set_known_values(self, y):
        return self(y)

    def adjoint(self, y, size):
        return self(y)

    @property
    def alpha_marks_missing(self):
        return self.mask == "alpha" and self.missing is not None

    @torch.no_grad()
    def merge(self, x, y):
        """Paste the observed pixels of y into x."""
        return torch.where(self._mask_for(x), x, y.to(x)).clamp(-1, 1)

    def propagate_unobserved(self, size, uninformative, channels=3):
        mask = self.mask_at(tuple(size))[:, 0]
        return mask if uninformative is None else mask.to(uninformative.device) | uninformative

    def undo(self, x, y, deviation):
        return self._fill(x, y, ~self._mask_for(x), deviation)

    alignment = 1

    def part(self, box, size):
        left, top, right, bottom = box
        mask = self.mask_at(tuple(size))[..., top:bottom, left:right]
        if not bool(mask.any()):
            return Identity()
        cut = self._shallow_copy()
        cut.missing = mask
        return cut


@functools.lru_cache(maxsize=64)
def make_hole(
    center: Fraction | None, box: tuple[int, int, int, int] | None, size: tuple[int, int], device: torch.device
) -> Tensor:
    """Return ``Inpaint.mask_at`` on a device, cached, since every transfer waits for the device."""
    return Inpaint(center=center, box=box).mask_at(size).to(device)
