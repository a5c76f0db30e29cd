"""Super-resolution as in the published DGP code (XingangPan/deep-generative-prior, ``pre_process``).

It makes the target with Pillow and the prediction with a fixed 16 x 16 Lanczos-2 kernel, two filters that differ by
about 40 dB, and compares both after enlargement. It is an operator of its own so that published numbers can be
reproduced; use ``sr`` otherwise.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from degradations.core.registry import register
from degradations.errors import SizeError
from degradations.resampling.rescale import Rescale
from degradations.resampling.super_resolution import Separable

FACTOR = 4


def _make_enlargement(n: int, m: int) -> torch.Tensor:
    """Return (m, n) float64: bilinear enlargement with pixel centres at halves (align_corners=False)."""
    return F.interpolate(torch.eye(n, dtype=torch.float64)[None], size=m, mode="linear", align_corners=False)[0].mT


@lru_cache(maxsize=16)
def _make_blur_matrix(n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return (n, n): the 16-tap kernel at every fourth pixel, border repeated, then bilinear enlargement."""
    away = np.abs(np.arange(16) - 7.5) / FACTOR
    kernel = np.sinc(away) * np.sinc(away / 2)
    small = n // FACTOR
    shrink = np.zeros((small, n))
    for i in range(small):
        source = np.clip(np.arange(16) + FACTOR * i - 6, 0, n - 1)
        np.add.at(shrink[i], source, kernel / kernel.sum())
    return (_make_enlargement(small, n) @ torch.from_numpy(shrink)).to(device, dtype)


@register("sr-dgp")
class PublishedSuperResolution(Separable):
    """Reduce to a quarter and enlarge again, as published by DGP. (N, C, H, W) -> (N, C, H, W).

    ``forward`` (the prediction): kernel, then bilinear enlargement. ``measure`` (the target): 8 bits by truncation,
    Pillow's Lanczos to a quarter, bilinear enlargement. Sides of at least 4 pixels.
    """

    overshoot = 0.8

    def size(self, hw):
        if min(hw) < FACTOR:
            raise SizeError(f"got a picture of {hw[0]}x{hw[1]}; sr-dgp needs sides of at least {FACTOR} pixels")
        return tuple(hw)

    def _scaled(self, factor):
        """Return ``rescale`` by a smaller factor, Lanczos down and bilinear up, or the identity if none is left."""
        return Rescale(str(FACTOR), filter="lanczos", up="bilinear").scaled(factor)

    def matrices(self, hw, dtype, device):
        h, w = self.size(hw)
        return _make_blur_matrix(h, dtype, device), _make_blur_matrix(w, dtype, device)

    def measure(self, x, generator=None):
        """Return the published target, without gradient."""
        hw = tuple(x.shape[-2:])
        small = tuple(n // FACTOR for n in self.size(hw))
        levels = ((x.detach().cpu() + 1) / 2 * 255).clamp(0, 255).to(torch.uint8).flatten(0, 1).numpy()
        shrunk = [np.asarray(Image.fromarray(one).resize(small[::-1], Image.Resampling.LANCZOS)) for one in levels]
        picture = torch.from_numpy(np.stack(shrunk)).to(x).unflatten(0, x.shape[:2]) / 255 * 2 - 1
        return F.interpolate(picture, size=hw, mode="bilinear", align_corners=False)
