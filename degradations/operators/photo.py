"""Old photographs: blur, faded colours, grain and wear in one operator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degradations.blur.blur import Blur
from degradations.core.base import Degradation
from degradations.core.chain import Chain
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import MaskError, SizeError
from degradations.files.pictures import expect_pictures, from_picture, luma
from degradations.masks import masks
from degradations.masks.scratches import find_damage
from degradations.noise.model import GaussianNoise
from degradations.noise.precision import compute_noise_floor
from degradations.operators.tint import WhiteBalance
from degradations.operators.tone import Fade
from degradations.operators.wear import draw_wear
from degradations.scaling import laws
from degradations.scaling.shrinking import scale_size, shrink_mask, shrink_seen
from degradations.scaling.units import CONTRAST, LIGHT, PIXELS, RANGE
from degradations.solvers.near_projection import project_near
from degradations.solvers.sparse_solution import fill_sparsely


def _make_operator(cls: type[Degradation], **values: float | Tensor) -> Degradation:
    """Make an operator with parameters that are single numbers, or tensors (N, 1, 1, 1) with one for each row."""
    rows = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    operator = cls(**{name: value for name, value in values.items() if name not in rows})
    return operator.bind(rows) if rows else operator


@register("photo")
class Photo(Degradation):
    """Age a photograph: soft, yellowed, faded, grainy, scratched and creased. (N, 3 or 1, H, W) -> (N, 3, H, W).

    y = cover(fade(yellow(blur(x)))) + grain. Yellowing removes blue light, and a quarter as much of the green. Fading
    reduces the contrast and turns black grey. Scratches, creases and dust cover what lies under them: they are drawn by
    ``build`` for one size, x is unobserved under them, and y has their own tones there, without grain. With
    ``wear=found`` they are found in the picture. ``grain`` is the noise model.
    """

    well_posed = False
    keeps_size = True
    parameters_spec = (
        Parameter(
            "blur",
            0.7,
            (0.001, 16),
            plausible=(0.3, 3),
            unit=PIXELS,
            transform="log",
            help="standard deviation of the Gaussian",
        ),
        Parameter("yellowing", 0.4, (0, 0.9), plausible=(0, 0.8), unit=LIGHT, help="share of the blue that is lost"),
        Parameter(
            "fading",
            0.35,
            (0, 0.9),
            plausible=(0, 0.7),
            unit=CONTRAST,
            help="share of the contrast that is lost",
        ),
        Parameter(
            "grain",
            0.02,
            (5e-6, 0.5),
            plausible=(0.005, 0.15),
            unit=RANGE,
            law=laws.deviation,
            transform="log",
            help="standard deviation of the grain",
        ),
        Parameter("scratches", 6, (0, 500), kind="int", help="number of scratches"),
        Parameter("creases", 1, (0, 50), kind="int", help="number of creases, from edge to edge"),
        Parameter("dust", 12, (0, 5000), kind="int", help="number of pieces"),
        Parameter("seed", kind="int", bounds=(0, 2**63 - 1), help="seed of the wear; default: the run's seed"),
        Parameter(
            "wear",
            "drawn",
            kind="choice",
            choices=("drawn", "found"),
            help="found: what is found in the opened picture, instead of scratches, creases and dust drawn at random",
        ),
    )
    example = "photo"
    strengths = (
        "photo:blur=0.4,yellowing=0.2,fading=0.15,scratches=2,creases=0,dust=5",
        "photo",
        "photo:blur=1.2,yellowing=0.7,fading=0.55,grain=0.05,scratches=12,creases=2,dust=30",
    )

    def __init__(self, **parameters):
        super().__init__(**parameters)
        self.register_buffer("missing", None)
        self.register_buffer("paint", None)

    @property
    def noise(self):
        return GaussianNoise(2 * self.grain)

    @property
    def _has_wear(self) -> bool:
        return self.scratches + self.creases + self.dust > 0

    def build(self, picture=None, seed=0, size=None):
        """Draw the wear.

        Raises:
            MaskError: no size is known, or nothing of the picture is left.
        """
        if self.missing is not None or not self._has_wear:
            return self
        if self.wear == "found":
            return self._find_wear(picture)
        if size is None and picture is None:
            raise MaskError(f"the wear of {self.spec} needs a size; call .build(size=(H, W))")
        size = tuple(size) if size is not None else (picture.height, picture.width)
        built = self._shallow_copy()
        built.seed = seed if self.seed is None else self.seed
        built.missing, built.paint = draw_wear(
            size, built.seed, scratches=self.scratches, creases=self.creases, dust=self.dust
        )
        if bool(built.missing.all()):
            raise MaskError(f"{self.spec} leaves nothing of a picture of {size[1]}x{size[0]}; reduce the wear")
        built.assets = {"mask": {"sha256": masks.compute_sha256(built.missing), "path": None}}
        return built

    def _scaled(self, factor):
        """Shrink the blur and average the grain; wear that is drawn is shrunk, with its tones."""
        twin = super()._scaled(factor)
        if self.missing is not None:
            size = scale_size(tuple(self.missing.shape[-2:]), factor)
            twin.missing = shrink_mask(self.missing, size)
            if bool(twin.missing.all()):
                raise MaskError(f"{self.spec} leaves nothing at {size[1]}x{size[0]}; scale it down less")
            twin.paint = shrink_seen(self.paint, self.missing.to(self.paint), size)
        return twin

    def _find_wear(self, picture: Image.Image | None) -> Photo:
        """Return the operator with the wear that is found in a picture; its tones are those of the picture there."""
        if picture is None:
            raise MaskError(f"{self.spec} takes the wear from the degraded picture, but there is none; open one")
        missing = find_damage(picture)
        if not bool(missing.any()):
            return self.without_holes()
        built = self._shallow_copy()
        built.missing, built.paint = masks.check_mask(missing, "the wear"), luma(from_picture(picture))
        built.assets = {"mask": {"sha256": masks.compute_sha256(missing), "path": None}}
        return built

    def without_holes(self):
        twin = self._shallow_copy()
        twin.scratches = twin.creases = twin.dust = 0
        twin.wear, twin.seed, twin.missing, twin.paint = "drawn", None, None, None
        return twin

    def stretched(self, size):
        if self.missing is None:
            return self
        twin = self._shallow_copy()
        twin.missing = F.interpolate(self.missing.float(), size=tuple(size), mode="nearest-exact") > 0
        twin.paint = F.interpolate(self.paint, size=tuple(size), mode="nearest-exact")
        return twin

    def _cover(self, y: Tensor) -> Tensor:
        if not self._has_wear:
            return y
        if self.missing is None:
            raise MaskError(f"the wear of {self.spec} is not drawn yet; call .build(picture, seed) first")
        if self.missing.shape[-2:] != y.shape[-2:]:
            (h, w), (wear_h, wear_w) = y.shape[-2:], self.missing.shape[-2:]
            raise SizeError(
                f"got a picture of {w}x{h}; this wear is {wear_w}x{wear_h} (width x height) and fits that only"
            )
        return torch.where(self.missing.to(y.device), self.paint.to(y), y)

    def _print(self) -> Chain:
        """Return blur, yellowing and fading as a chain."""
        return Chain(
            (
                _make_operator(Blur, sigma=self.blur),
                _make_operator(WhiteBalance, blue=1 - self.yellowing, green=1 - self.yellowing / 4),
                _make_operator(Fade, contrast=1 - self.fading, black=self.fading / 4),
            )
        )

    def forward(self, x):
        return self._cover(self._print()(expect_pictures(x)))

    def measure(self, x, generator=None):
        return self.set_known_values(super().measure(x, generator))

    def set_known_values(self, y):
        return self._cover(y)

    @torch.no_grad()
    def merge(self, x, y):
        """Find a near picture that brings phi(x) to within the grain; phi is linear up to a constant."""
        exact, picture = self._in_double(), x.double().clamp(-1, 1)
        y = exact.set_known_values(y.double()).expand(len(x), -1, -1, -1)
        constant = exact(torch.zeros_like(picture))
        pull = torch.func.vjp(exact, picture)[1]
        near = compute_noise_floor(exact.noise, exact(picture))
        linear, adjoint = (lambda v: exact(v) - constant), (lambda v: pull(v)[0])
        return project_near(linear, adjoint, picture, y - constant, within=near).to(x)

    def uninformative(self, hw):
        return None if self.missing is None else self.missing[:, 0]

    def channels(self, c):
        return 3

    def undo(self, x, y, deviation):
        """Fill what the wear covers, then undo fading, yellowing and blur with the noise of the grain."""
        printed, grain = self._print(), self._add_own_noise(y, deviation)
        if self.missing is not None:
            y = fill_sparsely(printed(x), y, ~self.missing.to(y.device))
        return printed.undo(x, y, grain)

    alignment = 1

    def reach(self, size):
        return self._print().reach(size)

    def part(self, box, size):
        if self.missing is None:
            return self
        left, top, right, bottom = box
        cut = self._shallow_copy()
        cut.missing, cut.paint = (whole[..., top:bottom, left:right] for whole in (self.missing, self.paint))
        return cut
