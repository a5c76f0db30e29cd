"""Means and paired differences with percentile intervals by the bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 10_000
INTERVAL = 0.95
SEED = 0


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): the mean of `values` (n,) and its 95 % bootstrap interval; the same every time."""
    values = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(SEED)
    # In slices: ten thousand draws of a thousand pictures at once would be most of a gigabyte.
    means = np.concatenate(
        [values[random.integers(0, len(values), (500, len(values)))].mean(1) for _ in range(RESAMPLES // 500)]
    )
    low, high = np.quantile(means, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    return float(values.mean()), float(low), float(high)


def means(values: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict]:
    """picture -> metric -> value becomes metric -> {n, mean, low, high}, over those that have a value."""
    table = {}
    for metric in _metrics(values):
        known = [own[metric] for own in values.values() if own.get(metric) is not None]
        if known:
            table[metric] = dict(zip(("n", "mean", "low", "high"), (len(known), *interval(known)), strict=True))
    return table


def differences(
    values: Mapping[str, Mapping[str, float | None]], first: Mapping[str, Mapping[str, float | None]]
) -> dict[str, dict]:
    """metric -> {n, difference, low, high} of `values` minus `first`, paired by picture."""
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
    return list(dict.fromkeys(metric for own in values.values() for metric in own))
