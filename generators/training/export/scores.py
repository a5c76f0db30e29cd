"""Distances between real and generated pictures in the feature space of a classifier."""

from __future__ import annotations

import torch
from torch import Tensor

NEIGHBOUR = 3  # k of the k-th neighbour, as published
AT_ONCE = 1000


def frechet_distance(real: Tensor, made: Tensor) -> float:
    """Return the Fréchet distance of the Gaussians of two sets of features (N, C) and (M, C).

        |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))

    It is FID (Heusel et al. 2017) only with the features of Inception.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    if min(len(real), len(made)) < 2:
        raise ValueError(f"got {len(real)} and {len(made)} rows of features, expected two or more of each")
    real, made = real.double(), made.double()
    ours, theirs = torch.cov(real.T), torch.cov(made.T)
    squares, directions = torch.linalg.eigh(ours)
    root = (directions * squares.clamp_min(0).sqrt()) @ directions.T
    shared = torch.linalg.eigvalsh(root @ theirs @ root).clamp_min(0).sqrt().sum()
    apart = (real.mean(0) - made.mean(0)).square().sum()
    return float((apart + ours.trace() + theirs.trace() - 2 * shared).clamp_min(0))


def precision_recall(real: Tensor, made: Tensor) -> tuple[float, float]:
    """Return precision and recall of generated features (Kynkäänniemi et al. 2019).

    Precision is the share of generated rows within the manifold of the real ones, recall the converse. A manifold is
    the union of balls around its rows, each as large as the distance to the third neighbour.

    Args:
        real: (N, C), N > 3.
        made: (M, C), M > 3.
    """
    return measure_coverage(made, real), measure_coverage(real, made)


def measure_coverage(rows: Tensor, by: Tensor) -> float:
    """Return the share of rows that are no further from some row of ``by`` than that row's third neighbour."""
    if len(by) <= NEIGHBOUR:
        raise ValueError(f"got {len(by)} rows of features, expected more than {NEIGHBOUR}")
    radii = torch.cat([_nearest(part, by) for part in by.split(AT_ONCE)])
    return float(torch.cat([(torch.cdist(part, by) <= radii).any(1) for part in rows.split(AT_ONCE)]).float().mean())


def _nearest(part: Tensor, among: Tensor) -> Tensor:
    """Return the distance (n,) to the third neighbour; the row itself is the nearest."""
    return torch.cdist(part, among).kthvalue(NEIGHBOUR + 1, dim=1).values
