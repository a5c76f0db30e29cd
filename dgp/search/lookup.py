"""Which pictures of a bank come near the observations, after what was done to those."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from dgp.losses.view import Targets
    from generators.bank import Bank


@torch.no_grad()
def nearest_first(targets: Targets, bank: Bank) -> list[Tensor]:
    """Of each picture the entries of the bank, int64 (n,) on the CPU: all, or those of the told class.

    Near is the mean squared difference of ``phi`` (the differentiable operator) from y, by the observation's weights and
    without missing pixels. The bank is passed once for each operator, however many pictures share it.
    """
    found = [torch.empty(0)] * len(targets.observations)
    for kind in range(len(targets.operators)):
        members = (targets.kind == kind).nonzero()[:, 0]
        distances = _distances(targets, kind, bank).cpu()
        for picture, distance in zip(members.tolist(), distances[targets.place[members]], strict=True):
            label = targets.observations[picture].label
            if label is None or bank.classes is None:
                found[picture] = distance.argsort(stable=True)
            else:
                told = (bank.classes == label).nonzero()[:, 0]
                found[picture] = told[distance[told].argsort(stable=True)]
    return found


def _distances(targets: Targets, kind: int, bank: Bank) -> Tensor:
    """(pictures of this operator, entries): the weighted squared differences, less what is the same for all entries."""
    operator, y = targets.operators[kind], targets.y[kind]
    counts = torch.ones_like(y[:, :1])
    if targets.weight[kind] is not None:
        counts = counts * targets.weight[kind]
    if targets.missing[kind] is not None:
        counts = counts * ~targets.missing[kind]
    counts = counts.expand_as(y).flatten(1)
    chunks, at_once = [], max(1, 2**18 // targets.size[0] ** 2)
    for start in range(0, len(bank), at_once):
        pictures = bank.pictures(slice(start, start + at_once), y.device)
        if pictures.shape[-2:] != targets.size:
            pictures = F.interpolate(pictures, targets.size, mode="bilinear", align_corners=False)
        prediction = operator(pictures).flatten(1)
        chunks.append(counts @ prediction.square().T - 2 * (counts * y.flatten(1)) @ prediction.T)
    return torch.cat(chunks, 1)
