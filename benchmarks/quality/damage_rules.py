"""Hand-written rules for the identification of damage: one measurement per damage, compared with clean pictures.

They are the baseline of ``benchmarks/quality/blind.py``, independent of ``dgp.identify``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LIKELY = 2.0  # standard deviations from clean pictures, above which a damage is likely


def measurements(y: Tensor) -> dict[str, Tensor]:
    """Return a measurement (N,) for each damage that grows with it, of pictures (N, 3, H, W) in [-1, 1]."""
    levels = (y + 1) * 127.5
    luma = (levels * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    colour = (levels.amax(1) - levels.amin(1)).flatten(1).mean(1)
    ends = luma.flatten(1).quantile(torch.tensor([0.01, 0.99]), dim=1)
    laplace = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]])[None, None]
    edges = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    grain = (levels[:, :1] - levels[:, 1:2]).diff(dim=2).abs().flatten(1).median(1).values
    step = luma.diff(dim=3).abs().mean((1, 2))
    border = torch.arange(step.shape[1]) % 8 == 7
    around = F.unfold(F.pad(luma, (1, 1, 1, 1), mode="replicate"), 3).median(1).values
    spectrum = torch.fft.rfft2(luma[:, 0]).abs().square()
    down, across = torch.fft.fftfreq(luma.shape[2]).abs(), torch.fft.rfftfreq(luma.shape[3])
    beyond = torch.maximum(down[:, None], across[None])
    fine, middle = (spectrum[:, (beyond > low) & (beyond <= high)].mean(1) for low, high in ((0.27, 0.5), (0.1, 0.25)))
    return {
        "missing colour": -(colour + 0.5).log(),
        "fading": -(ends[1] - ends[0] + 1).log(),
        "blur": -(F.conv2d(luma, edges).flatten(1).var(1) + 1).log(),
        "low resolution": (middle + 1).log() - (fine + 1).log(),
        "noise": (grain + 0.5).log() + (F.conv2d(luma, laplace).abs().flatten(1).mean(1) + 0.5).log(),
        "jpeg": ((step[:, border].mean(1) + 0.5) / (step[:, ~border].mean(1) + 0.5)).log(),
        "scratches": ((luma.flatten(1) - around).abs().amax(1) + 1).log(),
    }


def rank_rows(y: Tensor, clean: Tensor) -> list[list[tuple[str, ...]]]:
    """Return the likely chains of each row of y, likeliest first, by comparison with undamaged pictures `clean`."""
    expected, measured = measurements(clean), measurements(y)
    names = list(expected)
    deviation = torch.stack([(measured[n] - expected[n].mean()) / expected[n].std() for n in names], 1)
    found = []
    for row in deviation:
        order = row.argsort(descending=True).tolist()
        singles = [(names[k],) for k in order]
        several = tuple(names[k] for k in range(len(names)) if row[k] > LIKELY)
        first = [several] if len(several) in (2, 3) else []
        pairs = [tuple(names[k] for k in sorted(order[:2])), tuple(names[k] for k in sorted((order[0], order[2])))]
        found.append(list(dict.fromkeys([*first, *singles[:1], *pairs, *singles[1:]])))
    return found
