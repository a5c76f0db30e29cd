"""Means and paired differences, with percentile intervals by the bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 10_000
INTERVAL = 0.95
SEED = 0


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return (mean, low, high) of `values` (n,): the mean and its 95 % bootstrap interval; the same in every call."""
    values = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(SEED)
    # In slices of 500, as ten thousand resamples of a thousand pictures would need most of a gigabyte.
    means = np.concatenate(
        [values[random.integers(0, len(values), (500, len(values)))].mean(1) for _ in range(RESAMPLES // 500)]
    )
    low, high = np.quantile(means, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(values.mean()), float(low), float(high)


def means(values: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict]:
    """Return the mean of each metric over the pictures that have a value.

    Args:
        values: picture -> metric -> value.

    Returns:
        metric -> {"n", "mean", "low", "high"}.
    """
    table = {}
    for metric in _metrics(values):
        known = [own[metric] for own in values.values() if own.get(metric) is not None]
        if known:
            table[metric] = dict(zip(("n", "mean", "low", "high"), (len(known), *interval(known)), strict=True))
    return table


def differences(
    values: Mapping[str, Mapping[str, float | None]], first: Mapping[str, Mapping[str, float | None]]
) -> dict[str, dict]:
    """Return the mean of `values` minus `first`, paired by picture.

    Args:
        values: picture -> metric -> value.
        first: the same for the reference.

    Returns:
        metric -> {"n", "difference", "low", "high"}.
    """
    table = {}
    for metric in _metrics(first):
        pairs = [
            (own[metric], first[picture][metric])
            for picture, own in values.items()
            if own.get(metric) is not None and first.get(picture, {}).get(metric) is not None
        ]
        if pairs:
            gaps = [a - b for a, b in pairs]
            table[metric] = dict(zip(("n", "difference", "low", "high"), (len(gaps), *interval(gaps)), strict=True))
    return table


def _metrics(values: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Return the names of all metrics, in the order in which they occur."""
    return list(dict.fromkeys(metric for own in values.values() for metric in own))
