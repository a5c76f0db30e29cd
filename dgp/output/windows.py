"""Several windows of one photograph, each inverted alone, joined to one result."""

from __future__ import annotations

from collections.abc import Sequence

from dgp.output.restoration import Restoration


def join_windows(results: Sequence[Restoration]) -> Restoration:
    """Return the result for a whole photograph from those for its windows.

    It is the first result, with the others as its ``windows``: ``solutions`` shows their parts, too, and their costs
    are added.

    Args:
        results: of each window; the first is changed.
    """
    first, *others = results
    if not others:
        return first
    first.windows = tuple(others)
    for other in others:
        for name, count in other.evaluations.items():
            first.evaluations[name] += count
        for name in ("load_s", "search_s", "finish_s"):
            first.spent(name, first.timing[name] + other.timing[name])
        own = other.timing["stages_s"]
        first.timing["stages_s"] = [a + b for a, b in zip(first.timing["stages_s"], own, strict=True)]
        first.timing["total_s"] += sum(own)
    first.trace = [*first.trace, *({"window": k} | step for k, one in enumerate(others, 2) for step in one.trace)]
    return first
