"""Which pictures of a bank come near the observations, after what was done to those."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from dgp.losses.prediction import Targets
    from generators import Bank


@torch.no_grad()
def nearest_first(targets: Targets, bank: Bank) -> list[Tensor]:
    """Of each picture the entries of the bank, int64 (n,) on the CPU: all, or those of the told class.

    Near is the mean squared difference of ``phi`` (the differentiable operator) from y, by the observation's weights
    and without missing pixels. The bank is passed once for each operator, however many pictures share it.
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
    for factor in (targets.weight[kind], targets.missing[kind]):
        if factor is not None:
            counts = counts * (~factor if factor.dtype is torch.bool else factor)
    counts, y = counts.expand_as(y).flatten(1), y.flatten(1)
    same, root = bool((counts == counts[0]).all()), counts[0].sqrt()
    # Chunks that stay in the cache of a processor.
    found, at_once = [], max(1, 2**16 // targets.size[0] ** 2)
    for start in range(0, len(bank), at_once):
        pictures = bank.pictures(slice(start, start + at_once), y.device)
        if pictures.shape[-2:] != targets.size:
            pictures = F.interpolate(pictures, targets.size, mode="bilinear", align_corners=False)
        seen = operator(pictures).flatten(1)
        if same:
            seen = seen if bool((root == 1).all()) else seen * root
            found.append(torch.linalg.vecdot(seen, seen) - 2 * (root * y) @ seen.T)
        else:
            found.append(counts @ seen.square().T - 2 * (counts * y) @ seen.T)
    return torch.cat(found, 1)
