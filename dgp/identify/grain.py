"""Statistics of noise, grain and specks, which are independent from pixel to pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DB2 = (-0.12940952, -0.22414387, 0.83651630, -0.48296291)  # Daubechies' high-pass filter with two vanishing moments
HAAR = (0.5**0.5, -(0.5**0.5))
LAPLACIAN = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6  # difference of two Laplacians (Immerkaer 1996)
MAD = 0.67448975  # the median of |N(0, 1)|
FLOOR = 0.05  # levels, so that the logarithm of 0 is finite


def _log(x: Tensor) -> Tensor:
    return (x + FLOOR).log()


def _details(plane: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Return the diagonal wavelet details at every pixel: (N, h, w) -> (N, n)."""
    row = torch.tensor(taps)
    return F.conv2d(plane[:, None], (row[:, None] * row[None])[None, None]).flatten(1)


def deviations(plane: Tensor) -> Tensor:
    """Return logs of estimates of the standard deviation of noise: (N, h, w) in levels -> (N, 13).

    They come from the diagonal wavelet details of the picture and of its half size (median as by Donoho & Johnstone
    1994, mean absolute value, root mean square), from the method of Immerkaer (1996), and from the smoothest parts.
    """
    found = []
    half = F.avg_pool2d(plane[:, None], 2)[:, 0]
    for picture, taps in ((plane, DB2), (plane, HAAR), (half, HAAR)):
        details = _details(picture, taps)
        size = details.abs()
        found += [_log(size.median(1).values / MAD), _log(size.mean(1)), _log(details.square().mean(1).sqrt())]
    residual = F.conv2d(plane[:, None], LAPLACIAN[None, None])
    calm = F.avg_pool2d(residual.square(), 4, stride=2).flatten(1).sqrt()
    found += [_log(residual.flatten(1).abs().mean(1))]
    found += [_log(calm.quantile(share, dim=1)) for share in (0.05, 0.2, 0.5)]
    return torch.stack(found, 1)


def by_brightness(plane: Tensor, luma: Tensor) -> Tensor:
    """Return how the fine detail depends on brightness: photon noise grows with the light.

    Args:
        plane: (N, h, w), the channel whose detail is measured.
        luma: (N, h, w), the brightness.

    Returns:
        (N, 4), log ratio of the detail in each quarter of the pixels, from dark to bright, to the mean detail.
    """
    detail = F.conv2d(plane[:, None], LAPLACIAN[None, None]).flatten(1).abs()
    order = F.avg_pool2d(luma[:, None], 3, stride=1).flatten(1).argsort(1)
    quarters = detail.gather(1, order).tensor_split(4, 1)
    return torch.stack([_log(quarter.mean(1)) - _log(detail.mean(1)) for quarter in quarters], 1)


def components(pictures: Tensor, side: int = 3) -> Tensor:
    """Return logs of the smaller principal standard deviations of patches: (N, c, h, w) -> (N, 5).

    Clean patches lie near a subspace, while noise has all directions, so that the smallest deviations are those of the
    noise (Pyatykh, Hesser & Zheng 2013).
    """
    patches = F.unfold(pictures, side)
    patches = patches - patches.mean(2, keepdim=True)
    covariance = patches @ patches.mT / patches.shape[2]
    spread = torch.linalg.eigvalsh(covariance).clamp_min(0).sqrt()
    n = spread.shape[1]
    return torch.stack([_log(spread[:, : max(1, n // k)].mean(1)) for k in (27, 9, 4, 2, 1)], 1)


def colours(pictures: Tensor) -> Tensor:
    """Return logs of the principal standard deviations of fine detail in RGB, smallest first: (N, 3, h, w) -> (N, 6).

    The fine detail of photographs is nearly grey, while noise has all colours equally.
    """
    n, c, h, w = pictures.shape
    found = []
    for scale in (pictures, F.avg_pool2d(pictures, 2)):
        details = _details(scale.flatten(0, 1), HAAR).reshape(n, c, -1)
        covariance = details @ details.mT / details.shape[2]
        found.append(_log(torch.linalg.eigvalsh(covariance).clamp_min(0).sqrt()))
    return torch.cat(found, 1)


def shape(plane: Tensor) -> Tensor:
    """Return statistics of the shape of noise: (N, h, w) -> (N, 8).

    The log kurtosis of the diagonal details, the correlation of neighbouring residuals across and down, and the log
    maximum and large quantiles of the difference from the median of the 3x3 neighbourhood.
    """
    details = _details(plane, HAAR)
    square = details.square().mean(1) + FLOOR
    tails = (details.pow(4).mean(1) + FLOOR) / square.square()
    residual = plane - F.avg_pool2d(F.pad(plane[:, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[:, 0]
    power = residual.square().flatten(1).mean(1) + FLOOR
    across = (residual[..., 1:] * residual[..., :-1]).flatten(1).mean(1) / power
    down = (residual[:, 1:] * residual[:, :-1]).flatten(1).mean(1) / power
    blocks = F.unfold(F.pad(plane[:, None], (1, 1, 1, 1), mode="replicate"), 3)
    specks = (plane.flatten(1) - blocks.median(1).values).abs()
    large = [_log(specks.quantile(share, dim=1)) for share in (0.5, 0.9, 0.97, 0.99)]
    return torch.stack([tails.log(), across, down, _log(specks.amax(1)), *large], 1)
