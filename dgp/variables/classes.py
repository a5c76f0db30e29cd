"""The class that a latent shows: that of the nearest embedding."""

from __future__ import annotations

import torch
from torch import Tensor

from dgp.variables.rows import Rows
from generators import Generator


def nearest_classes(generator: Generator, embeddings: Tensor) -> Tensor:
    """Return the class whose value of the latent "class" is nearest to each of (N, ...), (N,) int64 on the CPU."""
    count = len(generator.info.classes)
    table = generator.embed(torch.arange(count)).reshape(count, -1).detach().cpu().double()
    return torch.cdist(embeddings.detach().reshape(len(embeddings), -1).cpu().double(), table).argmin(1)


def list_start_classes(rows: Rows, generator: Generator) -> dict[tuple[int, int, int], int]:
    """Return the class of each row, by (picture, answer, start).

    Empty for a prior without classes, and where no variable shows the class, as in w.
    """
    if not generator.info.classes or "class" not in rows.values:
        return {}
    owners = zip(rows.picture.tolist(), rows.answer.tolist(), rows.start.tolist(), strict=True)
    return dict(zip(owners, nearest_classes(generator, rows.values["class"]).tolist(), strict=True))
