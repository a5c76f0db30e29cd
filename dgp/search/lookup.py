"""Which stored samples of a prior come near the observations, after degradation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dgp.observation.batch import ObservationBatch
from generators import Bank

LEAST_PROBABILITY = 1e-9  # so that ranks are finite


@torch.no_grad()
def order_by_distance(batch: ObservationBatch, bank: Bank) -> list[Tensor]:
    """Return, for each picture, the entries of the bank from near to far, int64 (n,) on the CPU.

    Distance is the mean squared difference of phi (the differentiable operator) from y, by the observation's weights
    and without missing pixels. Pictures with a class get entries of that class alone; for those with probabilities of
    the classes, every prefix of the order holds as many entries of a class as its probability demands. The bank passes
    each operator once, however many pictures share it.
    """
    found = [torch.empty(0)] * len(batch.observations)
    for group in range(len(batch.operators)):
        members = (batch.group == group).nonzero()[:, 0]
        distances = _distances(batch, group, bank).cpu()
        for picture, distance in zip(members.tolist(), distances[batch.position[members]], strict=True):
            observation = batch.observations[picture]
            label, probabilities = observation.label, observation.class_probabilities
            if bank.classes is None or (label is None and probabilities is None):
                found[picture] = distance.argsort(stable=True)
            elif label is None:
                found[picture] = _order_by_class(distance, bank.classes, probabilities)
            else:
                same = (bank.classes == label).nonzero()[:, 0]
                found[picture] = same[distance[same].argsort(stable=True)]
    return found


def _order_by_class(distance: Tensor, classes: Tensor, probabilities: Tensor) -> Tensor:
    """Return the entries of the bank apportioned among the classes, of each the nearest first, int64 (n,).

    Args:
        distance: of the entries, (n,).
        classes: of the entries, (n,) int64.
        probabilities: of the classes, (C,).
    """
    near = distance.argsort(stable=True)
    ranks = torch.empty(len(near), dtype=torch.float64)
    for number, probability in enumerate(probabilities.tolist()):
        own = (classes[near] == number).nonzero()[:, 0]
        ranks[own] = (torch.arange(len(own), dtype=torch.float64) + 0.5) / max(probability, LEAST_PROBABILITY)
    return near[ranks.argsort(stable=True)]


def _distances(batch: ObservationBatch, group: int, bank: Bank) -> Tensor:
    """Return weighted squared differences, (pictures of this group, entries), less what is equal for all entries."""
    operator, y = batch.operators[group], batch.y[group]
    counts = torch.ones_like(y[:, :1])
    for factor in (batch.weight[group], batch.missing[group]):
        if factor is not None:
            counts = counts * (~factor if factor.dtype is torch.bool else factor)
    counts, y = counts.expand_as(y).flatten(1), y.flatten(1)
    same, root = bool((counts == counts[0]).all()), counts[0].sqrt()
    # Chunks that stay in the cache of a processor.
    found, at_once = [], max(1, 2**16 // batch.size[0] ** 2)
    for start in range(0, len(bank), at_once):
        pictures = bank.pictures(slice(start, start + at_once), y.device)
        if pictures.shape[-2:] != batch.size:
            pictures = F.interpolate(pictures, batch.size, mode="bilinear", align_corners=False)
        seen = operator(pictures).flatten(1)
        if same:
            seen = seen if bool((root == 1).all()) else seen * root
            found.append(torch.linalg.vecdot(seen, seen) - 2 * (root * y) @ seen.T)
        else:
            found.append(counts @ seen.square().T - 2 * (counts * y) @ seen.T)
    return torch.cat(found, 1)
