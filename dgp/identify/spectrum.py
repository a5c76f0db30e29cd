"""Statistics of the spectrum of pictures, which blur, noise and loss of resolution change most."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

BANDS = (
    0,
    0.04,
    0.08,
    0.12,
    0.17,
    0.23,
    0.3,
    0.38,
    0.47,
    0.57,
    0.68,
    0.8,
    0.95,
    1.42,
)  # edges of frequency bands; 1 is half a cycle per pixel
COARSE = (0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.42)
LAGS = (1, 2, 3, 4, 6, 8)
FLOOR = 0.02  # squared levels, a quarter of the variance of rounding to 8 bits, so that the logarithm of 0 is finite


@functools.lru_cache(maxsize=16)
def cosines(n: int) -> Tensor:
    """Return the orthonormal DCT-II matrix (n, n), which diagonalises symmetric filters with mirrored edges."""
    k = torch.arange(n, dtype=torch.float64)
    basis = torch.cos(torch.pi / n * k[:, None] * (k[None] + 0.5)) * (2 / n) ** 0.5
    basis[0] /= 2**0.5
    return basis.float()


def blur(pictures: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each square picture by a Gaussian of its own, exp(-(sigma w)^2 / 2) in the frequency domain.

    Args:
        pictures: (N, C, n, n).
        sigmas: standard deviations in pixels, (N,).
    """
    n = pictures.shape[-1]
    waves = torch.pi * torch.arange(n) / n
    fall = (-(sigmas[:, None] * waves).square() / 2).exp()
    basis = cosines(n)
    return basis.T @ (fall[:, None, :, None] * fall[:, None, None] * (basis @ pictures @ basis.T)) @ basis


@functools.lru_cache(maxsize=16)
def _masks(h: int, w: int, edges: tuple[float, ...]) -> Tensor:
    """Return a mask of 0 and 1 for each band that is not empty, (bands, h w)."""
    across, down = torch.arange(w) / w, torch.arange(h) / h
    radius = (across[None].square() + down[:, None].square()).sqrt().flatten()
    inside = [(radius > low) & (radius <= high) for low, high in zip(edges, edges[1:], strict=False)]
    return torch.stack([one for one in inside if one.any()]).float()


def bands(plane: Tensor, edges: tuple[float, ...] = BANDS) -> Tensor:
    """Return the log of the mean and the mean of the log energy in bands: (N, h, w) in levels -> (N, 2 bands)."""
    h, w = plane.shape[-2:]
    energy = (cosines(h) @ plane @ cosines(w).T).square().flatten(1) + FLOOR
    masks = _masks(h, w, edges)
    counts = masks.sum(1)
    return torch.cat([(energy @ masks.T / counts).log(), energy.log() @ masks.T / counts], 1)


def axes(plane: Tensor) -> Tensor:
    """Return the log energy of waves across and of waves down, each in four bands: (N, h, w) -> (N, 8)."""
    h, w = plane.shape[-2:]
    energy = (cosines(h) @ plane @ cosines(w).T).square() + FLOOR
    found = []
    for part in (energy[:, 0 : max(2, h // 8)].mean(1), energy[..., 0 : max(2, w // 8)].mean(2)):
        found += [quarter.mean(1).log() for quarter in part.tensor_split(4, 1)]
    return torch.stack(found, 1)


def differences(plane: Tensor) -> Tensor:
    """Return logs of mean absolute and root mean square differences, by lag, across and down: (N, h, w) -> (N, 24)."""
    found = []
    for rows in (plane, plane.mT):
        for lag in LAGS:
            step = (rows[..., lag:] - rows[..., :-lag]).flatten(1)
            found += [(step.abs().mean(1) + 0.1).log(), (step.square().mean(1) + FLOOR).log() / 2]
    return torch.stack(found, 1)
