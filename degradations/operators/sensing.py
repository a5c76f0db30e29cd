"""Compressive sensing: fewer measurements than pixels, each a random mixture of all pixels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from degradations.core.base import Degradation
from degradations.core.parameter import Parameter
from degradations.core.registry import register
from degradations.errors import SizeError
from degradations.files.pictures import expect_pictures
from degradations.scaling.units import PICTURE

GAIN = 0.25  # of the measurements of a picture of full contrast, about 1 in 15000 leaves [-1, 1]
LARGEST = 2**26  # entries of a matrix that is stored explicitly
KINDS = ("circulant", "gaussian")


@lru_cache(maxsize=8)
def _convolution(size: tuple[int, int], m: int, seed: int, *, dtype: torch.dtype, device: torch.device):
    """Return the random parts of the circulant matrix (see ``Sensing``).

    Returns:
        Signs (H, W), the spectrum (H, W // 2 + 1) of an orthogonal circulant matrix, and the indices of m of its rows.
    """
    random = np.random.Generator(
        np.random.PCG64(seed)
    )  # torch's stream would correlate with pictures drawn with the same seed
    signs = torch.from_numpy(random.integers(0, 2, size) * 2.0 - 1)
    spectrum = torch.fft.rfft2(torch.from_numpy(random.standard_normal(size)))
    spectrum = spectrum / spectrum.abs()
    rows = torch.from_numpy(np.sort(random.permutation(size[0] * size[1])[:m]))
    whole = torch.complex64 if dtype != torch.float64 else torch.complex128
    return signs.to(device, dtype), spectrum.to(device, whole), rows.to(device)


@lru_cache(maxsize=2)
def _gaussian(n: int, m: int, seed: int, *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return an (m, n) matrix of independent N(0, 1 / n) entries."""
    drawn = np.random.Generator(np.random.PCG64(seed)).standard_normal((m, n), np.float32)
    return torch.from_numpy(drawn).to(device, dtype) / n**0.5


@register("sensing")
class Sensing(Degradation):
    """Measure random mixtures of all pixels: y = A x, the same A in each channel. (N, C, H, W) -> (N, C, h, W).

    There are h W measurements with h = max(1, round(fraction H)); y only has the shape of a picture so that files can
    hold it. ``circulant``: convolution with a random filter of unit modulus at every frequency after random changes of
    sign, of which h W places are kept (J. Romberg 2009, "Compressive sensing by random convolution", section 2); the
    rows are orthogonal, at any size. ``gaussian``: a matrix of independent normal entries (Bora et al. 2017), for small
    pictures. Both are scaled by a quarter, so that the measurements of a picture rarely leave [-1, 1].
    """

    linear = True
    keeps_channels = True
    scales = False
    overshoot = 0.5
    parameters_spec = (
        Parameter("fraction", 0.25, bounds=(0.001, 1), unit=PICTURE, fixed=True, help="measurements per pixel"),
        Parameter("kind", "circulant", kind="choice", choices=KINDS, help="how the mixtures are drawn"),
        Parameter("seed", kind="int", bounds=(0, 2**63 - 1), help="seed of the mixtures; default: the run's seed"),
    )
    example = "sensing:0.25"

    def build(self, picture=None, seed=0, size=None):
        if self.seed is not None:
            return self
        built = self._shallow_copy()
        built.seed = seed
        return built

    def size(self, hw):
        return max(1, round(self.fraction * hw[0])), hw[1]

    def _matrix(self, size, like: Tensor) -> Tensor:
        n, m = size[0] * size[1], self.size(size)[0] * size[1]
        if n * m > LARGEST:
            raise SizeError(
                f"{self.spec} of {size[1]}x{size[0]} pixels is a matrix of {m}x{n} numbers; use kind=circulant, which "
                "stores no matrix"
            )
        return _gaussian(n, m, self._seed, dtype=like.dtype, device=like.device) * GAIN

    def _parts(self, size, like: Tensor):
        return _convolution(tuple(size), self.size(size)[0] * size[1], self._seed, dtype=like.dtype, device=like.device)

    @property
    def _seed(self) -> int:
        return self.seed or 0

    def forward(self, x):
        size = tuple(expect_pictures(x).shape[-2:])
        if self.kind == "gaussian":
            y = x.flatten(2) @ self._matrix(size, x).mT
        else:
            signs, spectrum, rows = self._parts(size, x)
            y = torch.fft.irfft2(torch.fft.rfft2(x * signs) * spectrum, s=size).flatten(2)[..., rows] * GAIN
        return y.unflatten(-1, self.size(size))

    def adjoint(self, y, size):
        size = tuple(size)
        if tuple(y.shape[-2:]) != self.size(size):
            raise SizeError(f"got y of {tuple(y.shape[-2:])}; {self.spec} makes {self.size(size)} of {size}")
        if self.kind == "gaussian":
            return (y.flatten(2) @ self._matrix(size, y)).unflatten(-1, size)
        signs, spectrum, rows = self._parts(size, y)
        spread = y.new_zeros(*y.shape[:2], size[0] * size[1]).index_copy(-1, rows, y.flatten(2)).unflatten(-1, size)
        return torch.fft.irfft2(torch.fft.rfft2(spread) * spectrum.conj(), s=size) * signs * GAIN

    def lift(self, y, size):
        """Return A^T y / gain^2, the smallest picture with these measurements (approximately, for ``gaussian``)."""
        x = self.adjoint(y, size) / GAIN**2
        return x if x.shape[1] == 3 else super().lift(x, size)

    def propagate_unobserved(self, size, uninformative, channels=3):
        return None if uninformative is None else super().propagate_unobserved(size, uninformative, channels)

    alignment = None

    def reach(self, size):
        return None
