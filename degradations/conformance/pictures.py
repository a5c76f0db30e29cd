"""Pictures on which operators are tried where white noise would be unlike photographs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from degradations.core.base import Size
from degradations.core.notebook import make_test_picture


def make_natural_pictures(size: Size, count: int, seed: int) -> Tensor:
    """Return (count, 3, H, W) with edges, stripes and soft colours, as in photographs and unlike white noise."""
    random = torch.Generator().manual_seed(seed)
    rows = []
    for _ in range(count):
        down, across = (int(torch.randint(n, (), generator=random)) for n in size)
        colours = torch.randperm(3, generator=random)
        soft = F.interpolate(
            torch.rand(1, 3, 4, 4, generator=random) * 2 - 1, size=size, mode="bicubic", align_corners=False
        )
        rows.append(0.5 * make_test_picture(size)[:, colours].roll((down, across), (2, 3)) + 0.5 * soft)
    return torch.cat(rows).clamp(-1, 1)
