"""Reduced resolution, and the base class of operators that treat rows and columns separately."""

from __future__ import annotations

import torch
from torch import Tensor

from degradations.core.base import Degradation, Size
from degradations.core.identity import vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SizeError
from degradations.files.pictures import expect_pictures, round_to_8_bits
from degradations.resampling.resample import NAMES, matrix
from degradations.scaling.units import TIMES

LARGE = 192  # pixels a side, from which sparse products are faster
SPARSE = 0.15  # share of the values that are not 0


def multiply_separably(a: Tensor, x: Tensor, b: Tensor) -> Tensor:
    """Return A x B^T.

    Large matrices that are nearly empty, such as those of a narrow blur, are multiplied as sparse ones where no
    gradient is needed.

    Args:
        a: (h, H) or (N, 1, h, H).
        x: (N, C, H, W).
        b: (w, W) or (N, 1, w, W).

    Returns:
        (N, C, h, w).
    """
    if a.ndim > 2 or min(x.shape[-2:]) < LARGE or torch.is_grad_enabled() or x.device.type != "cpu":
        return a @ x @ b.mT
    for matrix_, axis in ((a, -2), (b, -1)):
        x = _multiply_axis(matrix_, x.movedim(axis, 0)).movedim(0, axis)
    return x


def _multiply_axis(a: Tensor, x: Tensor) -> Tensor:
    """Return A x over the first axis of x (H, ...)."""
    flat = x.reshape(len(x), -1)
    if a.count_nonzero() > SPARSE * a.numel():
        return (a @ flat).reshape(len(a), *x.shape[1:])
    return torch.sparse.mm(a.to_sparse(), flat).reshape(len(a), *x.shape[1:])


class Separable(Degradation):
    """Multiply rows and columns by matrices that depend on the size only: y = A x B^T.

    Subclasses define ``matrices``.
    """

    linear = True
    keeps_channels = True

    def matrices(self, hw: Size, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the two matrices for an x of (H, W).

        Returns:
            A (h, H) and B (w, W); (N, 1, h, H) and (N, 1, w, W) where rows have their own.
        """
        raise NotImplementedError

    def forward(self, x):
        a, b = self.matrices(tuple(expect_pictures(x).shape[-2:]), x.dtype, x.device)
        return multiply_separably(a, x, b)

    def adjoint(self, y, size):
        a, b = self.matrices(tuple(size), y.dtype, y.device)
        expected = (a.shape[-2], b.shape[-2])
        if tuple(y.shape[-2:]) != expected:
            raise SizeError(f"got y of {tuple(y.shape[-2:])}; {self._title()} makes {expected} of {tuple(size)}")
        return multiply_separably(a.mT, y, b.mT)

    def propagate_unobserved(self, size, uninformative, channels=3):
        device = torch.device("cpu") if uninformative is None else uninformative.device
        a, b = self.matrices(tuple(size), torch.float64, device)
        everywhere = a.new_ones(1, 1, a.shape[-2], b.shape[-2])
        informative = everywhere if uninformative is None else (~uninformative[:, None]).double()
        return (a.abs().mT @ informative @ b.abs() == 0)[:, 0]

    alignment = None  # the matrices of a part are not parts of the matrices

    def reach(self, size):
        return None


@register("sr")
class SuperResolution(Separable):
    """Reduce the resolution exactly as Pillow does: y = A x B^T. (N, C, H, W) -> (N, C, h, w).

    h = max(1, floor(H / factor)), and w alike. Any factor (2.5 too) and any size. The default filter is ``bicubic``
    with antialiasing, which super-resolution papers and most programs mean by "downscaled". Bicubic and Lanczos have
    negative lobes and may overshoot [-1, 1] at edges; files clip that.
    """

    multiscale = True
    parameters_spec = (
        Parameter(
            "factor",
            bounds=(1, 256),
            unit=TIMES,
            required=True,
            fixed=True,
            help="how many times smaller each side becomes",
        ),
        Parameter("filter", "bicubic", kind="choice", choices=NAMES, help="Pillow's resampling filter"),
    )
    example = "sr:4"

    def __init__(self, factor: float | None = None, filter: str = "bicubic"):
        super().__init__(factor=factor, filter=filter)
        self.overshoot = {"bicubic": 0.4, "lanczos": 0.8}.get(self.filter, 0.0)

    def size(self, hw):
        return tuple(max(1, int(n / self.factor)) for n in hw)

    def _scaled(self, factor):
        """Reduce by less, so that y keeps its size up to rounding; by nothing if x is no larger than y then."""
        return scale_reduction(self, factor, self.filter)

    def scale_of_y(self, factor):
        return min(1.0, factor * self.factor)

    def matrices(self, hw, dtype, device):
        h, w = self.size(hw)
        return tuple(matrix(n, m, self.filter, dtype=dtype, device=device) for n, m in ((hw[0], h), (hw[1], w)))

    @torch.no_grad()
    def simulate(self, x, generator=None):
        """Return the file that Pillow writes, which also clips overshoot between its two passes, to one level."""
        if self.noise is not None:
            return super().simulate(x, generator)
        a, b = self.matrices(tuple(expect_pictures(x).shape[-2:]), x.dtype, x.device)
        return round_to_8_bits(a @ (x @ b.mT).clamp(-1, 1))


def scale_reduction(operator: Degradation, factor: float, filter: str) -> Degradation:
    """Return the operator that reduces a shrunk x to the same y, or to itself if it is not larger than y.

    Args:
        operator: it has a ``factor``.
        factor: of the sides of x.
        filter: by which x is reduced.
    """
    if operator.factor * factor <= 1 + 1e-6:
        return vanish(operator, factor)
    twin = SuperResolution(operator.factor * factor, filter)
    twin.noise = operator.noise
    return twin
