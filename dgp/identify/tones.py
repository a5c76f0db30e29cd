"""Statistics of the tones and colours of pictures."""

from __future__ import annotations

import torch
from torch import Tensor

SHARES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def tones(luma: Tensor) -> Tensor:
    """Return quantiles, the first four moments, and the shares of black and white: (N, h, w) in levels -> (N, 15)."""
    values = luma.flatten(1) / 255
    mean, spread = values.mean(1, keepdim=True), values.std(1, keepdim=True) + 1e-3
    unit = (values - mean) / spread
    moments = [mean[:, 0], spread[:, 0].log(), unit.pow(3).mean(1), unit.pow(4).mean(1)]
    ends = [(values < 0.004).float().mean(1), (values > 0.996).float().mean(1)]
    return torch.cat([values.quantile(torch.tensor(SHARES), dim=1).T, torch.stack([*moments, *ends], 1)], 1)


def colour(pictures: Tensor) -> Tensor:
    """Return the range and mean of each channel, and statistics of saturation: (N, 3, h, w) in levels -> (N, 14)."""
    values = pictures.flatten(2) / 255
    ends = values.quantile(torch.tensor((0.01, 0.99)), dim=2)
    apart = values.amax(1) - values.amin(1)
    seen = [ends[0], ends[1], values.mean(2), apart.mean(1, keepdim=True)]
    seen += [
        (apart.mean(1, keepdim=True) + 0.002).log(),
        *(apart.quantile(q, dim=1)[:, None] for q in (0.1, 0.5, 0.95)),
    ]
    return torch.cat(seen, 1)
