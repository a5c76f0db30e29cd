"""Quantisation tables of JPEG files: from a quality to its tables, and from a file's tables to its quality."""

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
    """Return the tables that the Independent JPEG Group's library, and so Pillow, writes for qualities 1 to 100.

    Returns:
        (100, 2, 8, 8) int64, the steps of luma and chroma.
    """
    base = torch.tensor((LUMINANCE, CHROMINANCE))
    scales = [5000 // quality if quality < 50 else 200 - 2 * quality for quality in range(1, 101)]
    return torch.stack([((base * scale + 50) // 100).clamp(1, 255) for scale in scales])


def steps(quality: float | Tensor, channels: int, like: Tensor) -> Tensor:
    """Return the quantisation steps at a quality, interpolated linearly between whole qualities.

    Args:
        quality: a number, or (N, 1, 1, 1).
        channels: 1 or 3.
        like: gives dtype and device.

    Returns:
        (1 or N, channels, 1, 1, 64).
    """
    if not isinstance(quality, Tensor):
        return _steps_of_number(float(quality), channels, like.dtype, like.device)
    quality = quality.to(like).reshape(-1, 1, 1, 1).clamp(1, 100)
    below = quality.detach().floor().clamp(max=99)
    all_tables, index = _tables_on(like.dtype, like.device), below.flatten().long()
    low, high = all_tables[index - 1], all_tables[index]
    both = low + (quality[..., 0] - below[..., 0]) * (high - low)
    luma, chroma = both[:, :1, None, None], both[:, 1:, None, None]
    return torch.cat([luma, chroma, chroma][:channels], 1)


@functools.lru_cache(maxsize=32)
def _tables_on(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the tables, (100, 2, 64), on a device, cached."""
    with torch.inference_mode(False):
        return tables().flatten(2).to(device, dtype)


@functools.lru_cache(maxsize=256)
def _steps_of_number(quality: float, channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return ``steps`` of one quality, cached, since every transfer waits for the device."""
    with torch.inference_mode(False):
        value = torch.tensor(quality, dtype=dtype, device="cpu")
        return steps(value, channels, value).to(device)


def estimate_quality(luma: Tensor, chroma: Tensor | None) -> float:
    """Return the quality from 1 to 100 with these tables.

    For tables of other programs it is the one whose steps are nearest in the mean absolute log ratio.

    Args:
        luma: (8, 8).
        chroma: (8, 8), or None for grey files.
    """
    all_tables = tables().double()
    error = (all_tables[:, 0].log() - luma.double().log()).abs().flatten(1).mean(1)
    if chroma is not None:
        error = error + (all_tables[:, 1].log() - chroma.double().log()).abs().flatten(1).mean(1)
    return float(error.argmin() + 1)


def read_metadata(picture: Image.Image) -> dict[str, float | str]:
    """Return what a JPEG file states about its compression; {} for other pictures.

    Returns:
        ``quality``, exact for files of libjpeg and Pillow, and ``subsampling`` if it is one of 444, 422 and 420.
    """
    stored = getattr(picture, "quantization", None)
    if not stored:
        return {}
    components = getattr(picture, "layer", [])
    if any(one[3] not in stored for one in components):
        return {}
    luma, *rest = [stored[one[3]] for one in components] if components else list(stored.values())
    square = [torch.tensor(table).reshape(8, 8).clamp_min(1) for table in (luma, *rest[:1])]
    metadata: dict[str, float | str] = {"quality": estimate_quality(square[0], square[1] if len(square) > 1 else None)}
    sampling = [tuple(one[1:3]) for one in components]
    if len(sampling) == 3 and sampling[1:] == [(1, 1), (1, 1)] and sampling[0] in SUBSAMPLING:
        metadata["subsampling"] = SUBSAMPLING[sampling[0]]
    return metadata
