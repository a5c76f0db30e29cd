"""Statistics of what does not repeat from pixel to pixel: noise of any kind, grain, specks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

DB2 = (-0.12940952, -0.22414387, 0.83651630, -0.48296291)  # Daubechies' high-pass filter of two moments
HAAR = (0.5**0.5, -(0.5**0.5))
SECOND = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6  # Immerkaer's mask
MAD = 0.67448975  # the median of |N(0, 1)|
FLOOR = 0.05  # levels


def _log(x: Tensor) -> Tensor:
    return (x + FLOOR).log()


def _details(plane: Tensor, taps: tuple[float, ...]) -> Tensor:
    """(N, h, w) -> (N, n): the diagonal details, at every pixel."""
    row = torch.tensor(taps)
    return F.conv2d(plane[:, None], (row[:, None] * row[None])[None, None]).flatten(1)


def deviations(plane: Tensor) -> Tensor:
    """(N, h, w) in levels -> (N, 13): logs of estimates of the noise's deviation.

    From the diagonal wavelet details (Donoho & Johnstone 1994: the median, here beside the mean absolute value and the
    root mean square), of the picture and of its half; by Immerkaer (1996); and of the calmest parts.
    """
    found = []
    half = F.avg_pool2d(plane[:, None], 2)[:, 0]
    for picture, taps in ((plane, DB2), (plane, HAAR), (half, HAAR)):
        details = _details(picture, taps)
        size = details.abs()
        found += [_log(size.median(1).values / MAD), _log(size.mean(1)), _log(details.square().mean(1).sqrt())]
    residual = F.conv2d(plane[:, None], SECOND[None, None])
    calm = F.avg_pool2d(residual.square(), 4, stride=2).flatten(1).sqrt()
    found += [_log(residual.flatten(1).abs().mean(1))]
    found += [_log(calm.quantile(share, dim=1)) for share in (0.05, 0.2, 0.5)]
    return torch.stack(found, 1)


def by_brightness(plane: Tensor, luma: Tensor) -> Tensor:
    """(N, h, w) twice -> (N, 4): how much finer detail than the mean, as logs, lies in each quarter of the pixels, from
    dark to bright: the noise of a counter of photons grows with the light."""
    detail = F.conv2d(plane[:, None], SECOND[None, None]).flatten(1).abs()
    order = F.avg_pool2d(luma[:, None], 3, stride=1).flatten(1).argsort(1)
    quarters = detail.gather(1, order).tensor_split(4, 1)
    return torch.stack([_log(quarter.mean(1)) - _log(detail.mean(1)) for quarter in quarters], 1)


def components(pictures: Tensor, side: int = 3) -> Tensor:
    """(N, c, h, w) -> (N, 5): logs of the lesser principal deviations of patches.

    Clean patches lie near a subspace and noise in all directions, so that the least of them are the noise's
    (Pyatykh, Hesser & Zheng 2013).
    """
    patches = F.unfold(pictures, side)
    patches = patches - patches.mean(2, keepdim=True)
    covariance = patches @ patches.mT / patches.shape[2]
    spread = torch.linalg.eigvalsh(covariance).clamp_min(0).sqrt()
    n = spread.shape[1]
    return torch.stack([_log(spread[:, : max(1, n // k)].mean(1)) for k in (27, 9, 4, 2, 1)], 1)


def colours(pictures: Tensor) -> Tensor:
    """(N, 3, h, w) -> (N, 6): logs of the principal deviations of fine detail in colour space, smallest first.

    The fine detail of photographs is nearly grey, that of noise has every colour alike.
    """
    n, c, h, w = pictures.shape
    found = []
    for scale in (pictures, F.avg_pool2d(pictures, 2)):
        details = _details(scale.flatten(0, 1), HAAR).reshape(n, c, -1)
        covariance = details @ details.mT / details.shape[2]
        found.append(_log(torch.linalg.eigvalsh(covariance).clamp_min(0).sqrt()))
    return torch.cat(found, 1)


def shape(plane: Tensor) -> Tensor:
    """(N, h, w) -> (N, 8): of diagonal details, how heavy their tails are and how much neighbours agree; of the
    difference from the median of the neighbourhood, its large quantiles."""
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
