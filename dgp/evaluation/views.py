"""The metrics of answers, and of further versions of them, such as the mean of the solutions."""

from __future__ import annotations

from collections.abc import Mapping

from dgp.evaluation import statistics
from dgp.evaluation.arms import MEASURED, VIEWS


def metric_values(content: dict | None) -> dict[str, float | None]:
    """Return the values of the metrics of a finished unit, by name."""
    if content is None:
        return {}
    numbers = {name: entry["value"] for name, entry in content["metrics"].items()}
    return numbers | {"observation_psnr": content["fidelity"]["observation_psnr"]}


def split_views(name: str, values: Mapping[str, dict]) -> dict[str, dict[str, dict]]:
    """Return the metrics of an arm, and those of further versions of its answers (`VIEWS`) as separate arms.

    Returns:
        name of the arm -> picture -> metric -> value.
    """
    of_views = {f"{metric}_{suffix}" for suffix in VIEWS for metric in MEASURED}
    plain = {p: {m: v for m, v in own.items() if m not in of_views} for p, own in values.items()}
    views = {name: plain}
    for suffix, words in VIEWS.items():
        own = {p: {m: v[f"{m}_{suffix}"] for m in MEASURED if f"{m}_{suffix}" in v} for p, v in values.items()}
        if any(own.values()):
            views[f"{name}, {words}"] = own
    return views


def differences_to(values: Mapping[str, dict], reference: str) -> dict[str, dict]:
    """Return the paired differences of all other arms to a reference arm."""
    return {name: statistics.differences(own, values[reference]) for name, own in values.items() if name != reference}
