"""Any linear map given by its matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from degradations.blur.kernel import FromFile
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SizeError, SpecError
from degradations.files.pictures import expect_pictures
from degradations.scaling.units import PIXELS

OF = ("channels", "pixels", "all")
LARGE = 1024  # rows or columns beyond which singular values take too long to compute


def _is_well_conditioned(values: Tensor) -> bool:
    """Return whether the smallest singular value is more than 1/20 of the largest."""
    found = torch.linalg.svdvals(values)
    return bool(found[-1] > 0.05 * found[0])


@register("matrix")
class Matrix(FromFile):
    """Multiply by a matrix from a file: y = M x.

    ``of`` names the values that M mixes: ``channels`` (M is (c, 3), applied in each pixel), ``pixels`` (M is (m, H W),
    applied in each channel, row by row) or ``all`` (M is (m, 3 H W), applied to all values, channel after channel as in
    a tensor). For ``pixels`` and ``all``, y has h w = m pixels, as square as possible, or the given ``height``. Entries
    are used as they
    are: rows whose absolute values sum to more than 1 overshoot [-1, 1], and files clip that.

    (N, 3, H, W) -> (N, c, H, W), (N, C, h, w) or (N, 1, h, w).
    """

    linear = True
    well_posed = False
    parameters_spec = (
        Parameter("file", kind="text", required=True, help='.npy or .npz file, or rows such as "0.5 0.5 0/0 0.5 0.5"'),
        Parameter("of", "all", kind="choice", choices=OF, help="the values that the matrix mixes"),
        Parameter(
            "height", kind="int", bounds=(1, 65536), unit=PIXELS, help="height of y, where the matrix has h w rows"
        ),
    )
    example = 'matrix:file="0.6 0.4 0/0.2 0.6 0.2/0 0.3 0.7",of=channels'
    what = "matrix"

    def __init__(self, file: str | None = None, of: str = "all", height: int | None = None):
        super().__init__(file=file, of=of, height=height)
        if self.of == "channels" and self.height is not None:
            raise SpecError("matrix: height has no effect with of=channels; leave it out")
        self.pointwise = self.scales = self.multiscale = self.of == "channels"
        self._prepare()

    def check_values(self, values):
        rows, columns = values.shape
        if self.of == "channels" and (columns != 3 or rows not in (1, 3)):
            raise SpecError(f"matrix {self.file} is {rows}x{columns}; of=channels takes 1 or 3 rows of 3 columns")
        if self.of != "channels" and self.height is not None and rows % self.height:
            raise SpecError(f"matrix {self.file} has {rows} rows, which are no picture of height {self.height}")
        self.overshoot = max(float(values.abs().sum(1).max()) - 1, 0)
        self.well_posed = min(rows, columns) <= LARGE and _is_well_conditioned(values)
        return values

    def _shape(self) -> tuple[int, int]:
        """Return (h, w) of y where it differs from the size of x."""
        rows = len(self.build().values)
        root = math.isqrt(rows)
        height = self.height or next(h for h in range(root, 0, -1) if rows % h == 0)
        return height, rows // height

    def forward(self, x):
        matrix, c = self.values_like(expect_pictures(x)), x.shape[1]
        if self.of == "channels":
            self._expect(c, f"{c} channels", matrix)
            return torch.einsum("oc,nchw->nohw", matrix, x)
        flat = x.flatten(2) if self.of == "pixels" else x.flatten(1)[:, None]
        self._expect(flat.shape[-1], f"pictures of {c} channels of {x.shape[-1]}x{x.shape[-2]}", matrix)
        return (flat @ matrix.mT).unflatten(-1, self._shape())

    def _expect(self, numbers, got, matrix):
        if matrix.shape[1] != numbers:
            raise SizeError(f"got {got}, {numbers} numbers; matrix {self.file} takes {matrix.shape[1]}")

    def adjoint(self, y, size):
        matrix = self.values_like(y)
        if self.of == "channels":
            return torch.einsum("oc,nohw->nchw", matrix, y)
        if self.of == "pixels":
            return (y.flatten(2) @ matrix).unflatten(-1, tuple(size))
        return (y.flatten(1) @ matrix).unflatten(-1, (-1, *size))

    def channels(self, c):
        if self.of == "channels":
            return len(self.build().values)
        return c if self.of == "pixels" else 1

    def size(self, hw):
        return tuple(hw) if self.of == "channels" else self._shape()

    def lift(self, y, size):
        """Return M^T y, scaled so that a picture keeps about its brightness."""
        if self.of == "channels":
            return super().lift(y, size)
        matrix = self.values_like(y)
        return (self.adjoint(y, size) / matrix.square().sum(0).mean().clamp_min(1e-12)).expand(-1, 3, -1, -1)

    @property
    def alignment(self):
        return 1 if self.of == "channels" else None
