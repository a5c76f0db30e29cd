"""Blur with a given kernel, and the base class of operators that take a matrix from a file."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from degradations.blur.convolution import Convolution, is_visible
from degradations.core.base import Degradation
from degradations.core.identity import vanish
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SpecError
from degradations.files.arrays import WRITTEN, read_matrix
from degradations.scaling.laws import compute_noise_gain


class FromFile(Degradation):
    """An operator with a matrix from a file, or from the numbers that are written instead of its name.

    Written numbers are read by the constructor, a file by ``build``.

    Attributes:
        values: buffer, (h, w) float64, or None until it is read.
        what: the name of the matrix in error messages.
        pictures: whether the file may be a picture.
    """

    what: ClassVar[str]
    pictures: ClassVar[bool] = False

    def _prepare(self) -> None:
        self.register_buffer("values", None)
        if WRITTEN.fullmatch(self.file):
            self._take(*read_matrix(self.file, self.what))

    def _take(self, values: Tensor, asset: dict) -> None:
        self.values = self.check_values(values)
        self.assets = {"file": asset} if asset else {}

    def check_values(self, values: Tensor) -> Tensor:
        """Return the matrix (h, w) float64 as the operator uses it. Default: unchanged.

        Raises:
            SpecError: the operator cannot use it.
        """
        return values

    def build(self, picture=None, seed=0, size=None):
        """Read the file.

        Raises:
            SpecError: there is no such file, or it does not contain numbers.
        """
        if self.values is not None:
            return self
        built = self._shallow_copy()
        built._take(*read_matrix(self.file, self.what, self.pictures))
        return built

    def values_like(self, like: Tensor) -> Tensor:
        """Return the matrix in the dtype and on the device of ``like``.

        Raises:
            SpecError: the file was not read yet.
        """
        if self.values is None:
            raise SpecError(f"{self.spec} is not resolved yet; call .build() first")
        return self.values.to(like)

    def _load_from_state_dict(self, state_dict, prefix, *args):
        if self.values is None and prefix + "values" in state_dict:
            self._take(state_dict[prefix + "values"].clone(), {})
        super()._load_from_state_dict(state_dict, prefix, *args)


def shrink_kernel(values: Tensor, factor: float) -> tuple[Tensor, float]:
    """Shrink a kernel (h, w) about its centre, pixel (h // 2, w // 2).

    Returns:
        The kernel, with odd sides, and the larger of its standard deviations along both axes.
    """
    deviations, matrices = [], []
    for axis, n in enumerate(values.shape):
        place = (torch.arange(n, dtype=values.dtype) - n // 2) * factor
        line = values.sum(1 - axis)
        variance = (line * place.square()).sum() - (line * place).sum().square()
        deviations.append(float(variance.clamp_min(0)) ** 0.5)
        reach = math.ceil((n // 2) * factor)
        pixels = torch.arange(-reach, reach + 1, dtype=values.dtype)
        matrices.append((1 - (pixels[:, None] - place).abs()).clamp_min(0))
    return matrices[0] @ values @ matrices[1].mT, max(deviations)


@register("kernel")
class Kernel(FromFile, Convolution):
    """Convolve with a given kernel, such as the measured blur of a camera: y = k * x. (N, C, H, W) -> (N, C, H, W).

    The kernel (h, w) is the picture of a single bright point. It is scaled to sum to 1, and its centre is pixel
    ``(h // 2, w // 2)``. It comes from a picture (grey, black = 0), a .npy or .npz file, or from rows of numbers.
    Equals ``scipy.ndimage.convolve(x, kernel, mode="reflect")`` in each channel.
    """

    parameters_spec = (
        Parameter(
            "file", kind="text", required=True, help='picture, .npy or .npz file, or rows such as "1 2 1/2 4 2/1 2 1"'
        ),
    )
    example = 'kernel:"1 2 1/2 4 2/1 2 1"'
    what, pictures = "kernel", True

    def __init__(self, file: str | None = None):
        super().__init__(file=file)
        self._prepare()

    def check_values(self, values):
        total = float(values.sum())
        if abs(total) < 1e-6 * float(values.abs().sum()) or total == 0:
            raise SpecError(f"kernel {self.file} sums to {total:g}, which leaves no picture; expected a blur")
        values = values / values.sum()
        self.overshoot = float(values.abs().sum()) - 1
        self.well_posed = float(torch.fft.rfft2(values, s=tuple(max(64, n) for n in values.shape)).abs().min()) > 0.05
        return values

    def _scaled(self, factor):
        """Shrink the kernel about its centre: each weight goes to the pixels nearest to its place, bilinearly.

        Below a standard deviation of 0.2 px in both directions the result is the identity.
        """
        values = self.build().values
        shrunk, deviation = shrink_kernel(values, factor)
        if not is_visible(deviation):
            return vanish(self, factor)
        twin = Kernel("/".join(" ".join(f"{v:.6g}" for v in row) for row in shrunk.tolist()))
        if self.noise is not None:
            twin.noise = self.noise.averaged(compute_noise_gain(factor))
        return twin

    def kernel(self, like):
        return self.values_like(like)[None, None]
