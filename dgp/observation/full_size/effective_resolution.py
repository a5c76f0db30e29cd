"""The resolution that an answer really has at the photograph's own size, known before the run.

A synthetic picture with edges at all scales is degraded by the operator, and restored as an answer is at the end of a
run, from the best that a prior of R pixels could give: the picture itself, shrunk and enlarged. The resolution is that
of the finest frequencies of which more than half of the energy comes back.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from degradations.files.pictures import luma
from dgp.observation.boxes import Box, whole_box
from dgp.observation.full_size.enlargement import resize_matrix
from dgp.observation.full_size.photograph import Photograph

SIDE = 128  # pixels of the synthetic picture
DISCS = 600  # of which it consists
PLACES = 3  # parts of the photograph, across and down, of which the one with the fewest missing pixels is taken
BANDS = 16  # frequency bands up to half a cycle per pixel
ENOUGH = 0.75  # of the output's sides: an answer with so much detail needs no note
KEPT = 0.5  # share of a band's energy that must come back
Size = tuple[int, int]


@dataclass(frozen=True)
class EffectiveResolution:
    """Sizes (width, height) of the smallest picture that holds all the detail that an answer has.

    Attributes:
        output: the size of the answer's picture.
        luma: of its brightness.
        chroma: of its colours.
        prior: of what the prior gives; with a window or a crop, as if it gave the whole picture in that detail.
        filled: whether some pixels are not observed, and have the prior's detail only.
    """

    output: Size
    luma: Size
    chroma: Size
    prior: Size
    filled: bool = False

    def record(self) -> dict:
        """Return the entry of result.json."""
        named = {"output": self.output, "luma": self.luma, "chroma": self.chroma}
        unobserved = list(self.prior) if self.filled else None
        return {name: list(size) for name, size in named.items()} | {"unobserved": unobserved}


def measure_effective_resolution(
    photograph: Photograph | None, output: Size, *, box_size: Size, resolution: int, filled: bool
) -> EffectiveResolution:
    """Return the resolution that a merged answer will have at the output's size.

    Args:
        photograph: with which answers are merged, or None.
        output: (width, height) of the output.
        box_size: (width, height) of the part of the output that the prior's square shows.
        resolution: R, side of that square.
        filled: whether pixels that are not observed are filled.
    """
    shares = [min(1.0, resolution / n) for n in box_size]
    prior = _scale(output, *shares)
    if prior == output:
        return EffectiveResolution(output, output, output, output)
    if photograph is None or not photograph.mergeable:
        seen = output if filled else prior
        return EffectiveResolution(output, seen, seen, prior, filled)
    finest = [tuple(map(max, prior, _scale(output, share, share))) for share in measure_kept_detail(photograph, shares)]
    return EffectiveResolution(output, *finest, prior, filled)


def lacks_detail(luma: Sequence[int], output: Sequence[int]) -> bool:
    """Return whether the detail of an answer, ``EffectiveResolution.luma``, is much less than its size."""
    return any(seen < ENOUGH * whole for seen, whole in zip(luma, output, strict=True))


def _scale(size: Size, across: float, down: float) -> Size:
    return max(1, round(size[0] * across)), max(1, round(size[1] * down))


@torch.no_grad()
def measure_kept_detail(photograph: Photograph, shares: list[float]) -> tuple[float, float]:
    """Return the finest frequencies that come back in luma and in chroma, as shares of half a cycle per pixel.

    Args:
        photograph: the photograph, of which only the operator and the size are used.
        shares: across and down, the frequencies that the prior gives.
    """
    box = _least_hidden_box(photograph)
    operator = photograph.operator
    if photograph.tiled:
        operator = operator.part(box, photograph.size[::-1])
    clean = draw_discs((box[3] - box[1], box[2] - box[0]))
    coarse = _keep_coarse(clean, *shares)
    y = operator.simulate(clean, torch.Generator().manual_seed(0))
    restored = operator.restore_detail(coarse, y)
    return tuple(_finest_band(*parts) for parts in _split(clean, restored - clean))


def _least_hidden_box(photograph: Photograph) -> Box:
    """Return the part of the photograph that stands for it: the whole, if it cannot be cut."""
    width, height = photograph.size
    if not photograph.tiled:
        return whole_box(photograph.size)
    step, (across, down) = photograph.operator.alignment, (min(SIDE, width), min(SIDE, height))
    corners = [
        (i * (width - across) // (PLACES - 1) // step * step, j * (height - down) // (PLACES - 1) // step * step)
        for i in range(PLACES)
        for j in range(PLACES)
    ]
    boxes = [(x, y, x + across, y + down) for x, y in dict.fromkeys(corners)]
    hidden = photograph.operator.uninformative((height, width))
    if hidden is None:
        return boxes[len(boxes) // 2]
    return min(boxes, key=lambda box: float(hidden[0, box[1] : box[3], box[0] : box[2]].float().mean()))


@functools.lru_cache(maxsize=4)
def draw_discs(size: tuple[int, int]) -> Tensor:
    """Draw the dead leaves model: discs of random colours that cover each other, radii with a density of r^-3.

    Its statistics are close to those of photographs (Lee, Mumford & Huang 2001).

    Args:
        size: (H, W).

    Returns:
        (1, 3, H, W) float32 in [-1, 1].
    """
    random, (h, w) = np.random.default_rng(0), size
    picture = np.zeros((h, w, 3), np.float32)
    least, largest = 1.0, min(size) / 3 + 2
    radii = (least**-2 + random.random(DISCS) * (largest**-2 - least**-2)) ** -0.5
    down, across = np.mgrid[:h, :w]
    for radius in np.sort(radii)[::-1]:
        inside = np.square(down - random.uniform(0, h)) + np.square(across - random.uniform(0, w)) < radius**2
        picture[inside] = np.clip(random.normal(0, 0.4) + random.normal(0, 0.15, 3), -0.95, 0.95)
    return torch.from_numpy(picture).permute(2, 0, 1)[None]


def _keep_coarse(x: Tensor, across: float, down: float) -> Tensor:
    """Return pictures shrunk by factors and enlarged again."""
    for axis, share in ((-1, across), (-2, down)):
        n = x.shape[axis]
        small = max(1, round(n * share))
        matrix = resize_matrix(small, n) @ resize_matrix(n, small)
        x = (x.transpose(-1, axis) @ matrix.T).transpose(-1, axis)
    return x.clamp(-1, 1)


def _split(clean: Tensor, error: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return (clean, error) of the luma, (1, H, W), and of the chroma, (2, H, W)."""
    brightness, off = (luma(x)[0] for x in (clean, error))
    return [(brightness, off), ((clean[0] - brightness)[::2], (error[0] - off)[::2])]


def _finest_band(clean: Tensor, error: Tensor) -> float:
    """Return the upper end of the bands in which the error has less than half of the energy of the clean picture."""
    from scipy.fft import dctn

    signal, noise = (np.square(dctn(x.numpy(), axes=(1, 2), norm="ortho")).sum(0) for x in (clean, error))
    h, w = signal.shape
    radius = np.hypot(np.arange(h)[:, None] / h, np.arange(w)[None] / w)
    edges = np.linspace(0, 1, BANDS + 1)
    for low, high in zip(edges, edges[1:], strict=False):
        inside = (radius >= low) & (radius < high)
        if inside.any() and noise[inside].sum() > (1 - KEPT) * signal[inside].sum():
            return float(low)
    return 1.0
