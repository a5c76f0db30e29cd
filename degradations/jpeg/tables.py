"""Quantisation tables of JPEG files: those that a quality stands for, and the quality and subsampling that a file's
own tables tell."""

from __future__ import annotations

import functools

import torch
from PIL import Image
from torch import Tensor

# ITU-T T.81, tables K.1 and K.2: rows are vertical frequencies
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
# (horizontal, vertical) sampling of luma, that of both chroma components being (1, 1)
SUBSAMPLING = {(1, 1): "444", (2, 1): "422", (2, 2): "420"}


@functools.cache
def tables() -> Tensor:
    """(100, 2, 8, 8) int64: the steps of luma and chroma that the Independent JPEG Group's library (and so Pillow)
    writes for qualities 1 to 100."""
    base = torch.tensor((LUMINANCE, CHROMINANCE))
    scales = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)]
    return torch.stack([((base * scale + 50) // 100).clamp(1, 255) for scale in scales])


def steps(quality: float | Tensor, channels: int, like: Tensor) -> Tensor:
    """(1 or N, channels, 1, 1, 64): quantisation steps at a quality, a number or (N, 1, 1, 1). Between whole
    qualities, which have tables, on the line from one to the next."""
    if not isinstance(quality, Tensor):
        return _steps_of_number(float(quality), channels, like.dtype, like.device)
    quality = quality.to(like).reshape(-1, 1, 1, 1).clamp(1, 100)
    below = quality.detach().floor().clamp(max=99)
    every, index = tables().flatten(2).to(like), below.flatten().long()
    low, high = every[index - 1], every[index]
    both = low + (quality[..., 0] - below[..., 0]) * (high - low)
    return both[:, [0, 1, 1][:channels], None, None]


@functools.lru_cache(maxsize=256)
def _steps_of_number(quality: float, channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``steps`` of one quality, made and moved once, since every move waits for the device."""
    with torch.inference_mode(False):
        value = torch.tensor(quality, dtype=dtype, device="cpu")
        return steps(value, channels, value).to(device)


def estimate_quality(luma: Tensor, chroma: Tensor | None) -> float:
    """The quality from 1 to 100 whose tables are these (8, 8), or the nearest in the mean ratio of steps, where another
    program made them."""
    every = tables().double()
    found = (every[:, 0].log() - luma.double().log()).abs().flatten(1).mean(1)
    if chroma is not None:
        found = found + (every[:, 1].log() - chroma.double().log()).abs().flatten(1).mean(1)
    return float(found.argmin() + 1)


def file_metadata(picture: Image.Image) -> dict[str, float | str]:
    """What a JPEG file says of how it was written, {} for other pictures: ``quality``, exact for files of libjpeg and
    Pillow, and ``subsampling`` where it is one of 444, 422 and 420."""
    stored = getattr(picture, "quantization", None)
    if not stored:
        return {}
    components = getattr(picture, "layer", [])
    luma, *rest = [stored[one[3]] for one in components] if components else list(stored.values())
    square = [torch.tensor(table).reshape(8, 8).clamp_min(1) for table in (luma, *rest[:1])]
    found: dict[str, float | str] = {"quality": estimate_quality(square[0], square[1] if len(square) > 1 else None)}
    sampling = [tuple(one[1:3]) for one in components]
    if len(sampling) == 3 and sampling[1:] == [(1, 1), (1, 1)] and sampling[0] in SUBSAMPLING:
        found["subsampling"] = SUBSAMPLING[sampling[0]]
    return found
