"""JPEG compression as an operator."""

from __future__ import annotations

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.identity import vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.detail.restoration import NOTICEABLE
from degradations.errors import SizeError
from degradations.files.pictures import expect_pictures, from_picture, to_picture
from degradations.jpeg import surrogate as jpeg_surrogate
from degradations.jpeg import tables as jpeg_tables
from degradations.jpeg.blocks import estimate_deviation, remove_blocks
from degradations.jpeg.cells import project_into_cells

LEFT = 0.6  # share of the quantisation error that remains, measured by what is best for deconvolution
FINE = 3.0  # deviation of the quantisation error in levels, reached at quality 70
HALVES = {"444": 0, "422": 1, "420": 2}


@register("jpeg")
class Jpeg(Degradation):
    """Compress as JPEG: DCT coefficients of 8x8 blocks are rounded to multiples of q. (N, 1 or 3, H, W) -> the same.

    ``measure`` and ``simulate`` are Pillow's encoder and decoder. The prediction follows the same steps and rounds as
    they do (most pixels are equal), with the gradient that the steps have without rounding (straight-through, as in
    Shin & Song 2017): the values are exact, but not smooth. A quality between two whole ones interpolates their tables,
    and is written as the nearest whole one. ``merge`` moves each coefficient just into the interval that is rounded to
    the observed value; a picture that JPEG encodes as y already is left alone.

    Without ``subsampling``, ``build`` takes that of the opened file if it is a JPEG, else 4:2:0.
    """

    smooth = False
    keeps_size = True
    keeps_places = True
    keeps_channels = True
    parameters_spec = (
        Parameter(
            "quality",
            75.0,
            bounds=(1, 100),
            plausible=(5, 98),
            help="on the scale of the Independent JPEG Group, as in most programs",
        ),
        Parameter(
            "subsampling",
            kind="choice",
            choices=tuple(HALVES),
            help="chroma at full size (444), half the width (422) or half of both (420); default: the file's, or 420",
        ),
    )
    example = "jpeg:30"

    def __init__(self, quality: float = 75.0, subsampling: str | None = None):
        super().__init__(quality=quality, subsampling=subsampling)

    def build(self, picture=None, seed=0, size=None):
        stated = self.file_metadata(picture).get("subsampling") if picture is not None else None
        if self.subsampling is not None or stated is None:
            return self
        built = self._shallow_copy()
        built.subsampling = stated
        return built

    def _scaled(self, factor):
        """Return the identity: the blocks do not survive, and the errors within a block nearly cancel."""
        return vanish(self, factor)

    def file_metadata(self, picture: Image.Image) -> dict[str, float | str]:
        """Return ``quality`` and ``subsampling`` as the file's tables state them; {} if it is no JPEG."""
        return jpeg_tables.read_metadata(picture)

    @property
    def halves(self) -> int:
        """The number of axes along which chroma is halved."""
        return HALVES[self.subsampling or "420"]

    def _steps(self, x: Tensor) -> Tensor:
        if expect_pictures(x).shape[1] not in (1, 3):
            raise SizeError(f"got {x.shape[1]} channels; JPEG files have 1 or 3")
        return jpeg_tables.steps(self.quality, x.shape[1], x)

    def forward(self, x):
        # in float64, as float32 values near a rounding threshold could round differently in another batch
        exact = x.double()
        return jpeg_surrogate.compress((exact + 1) * 127.5, self._steps(exact), self.halves).to(x) / 127.5 - 1

    def measure(self, x, generator=None):
        """Return what Pillow writes and reads again, (N, c, H, W)."""
        self._steps(x)
        qualities = np.resize(np.asarray(torch.as_tensor(self.quality).detach().cpu()).ravel(), len(x))
        y = torch.cat([self._file(row[None], int(q + 0.5)) for row, q in zip(x, qualities, strict=True)]).to(x)
        return y if self.noise is None else self.noise.sample(y, generator)

    def _file(self, row: Tensor, quality: int) -> Tensor:
        file = io.BytesIO()
        to_picture(row).save(file, "JPEG", quality=quality, subsampling=self.halves)
        with Image.open(file) as opened:
            return from_picture(opened)

    @torch.no_grad()
    def merge(self, x, y):
        exact, target = x.double().clamp(-1, 1), y.to(x).double().expand(len(x), -1, -1, -1)
        levels = (exact + 1) * 127.5
        near = project_into_cells(levels, ((target + 1) * 127.5).round(), self._steps(exact), self.halves)
        return torch.where(near == levels, exact, near / 127.5 - 1).to(x)

    def propagate_unobserved(self, size, uninformative, channels=3):
        """Return the blocks of which no pixel is informative, nor any pixel beside them that their chroma affects."""
        if uninformative is None or not bool(uninformative.any()):
            return None
        side = [8 * (1 + (self.halves > 0)), 8 * (1 + (self.halves > 1))] if channels == 3 else [8, 8]
        informative = (~uninformative).float()[:, None]
        if channels == 3 and self.halves:
            informative = F.max_pool2d(informative, 5, stride=1, padding=2)
        blocks = F.max_pool2d(informative, (side[1], side[0]), ceil_mode=True)
        wide = blocks.repeat_interleave(side[1], -2).repeat_interleave(side[0], -1)
        return wide[:, 0, : size[0], : size[1]] == 0

    def mean_square_error(self, y):
        own = (estimate_deviation(self._steps(y.double())) / 127.5).square().flatten(1).mean(1)
        return super().mean_square_error(y) + own.to(y).expand(len(y))

    def undo(self, x, y, deviation):
        """Remove the quantisation error like noise, then return to the coefficients that are rounded to those of y.

        Fine quantisation is left alone: little is gained there, and a file that was saved twice with the same tables
        has no error of the second time.
        """
        steps = self._steps(y)
        own = estimate_deviation(steps)[:, :1]
        remaining = (deviation.square() + (LEFT * own / 127.5).square()).sqrt()
        if float(own.max()) < FINE:
            return y, torch.maximum(deviation, remaining.clamp_max(0.99 * NOTICEABLE))
        picture = remove_blocks((x + 1) * 127.5, (y + 1) * 127.5, steps, deviation * 127.5) / 127.5 - 1
        if float(deviation.max()) < NOTICEABLE:
            picture = self.merge(picture.clamp(-1, 1), y)
        return picture, remaining

    alignment = 16

    def reach(self, size):
        return 16
