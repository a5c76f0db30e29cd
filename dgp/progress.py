"""The bar that shows how far a run is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dgp.inversion import Inversion, Step


def watched() -> bool:
    """Whether somebody sees what goes to stderr: a terminal, or a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def followed(inversion: Inversion, name: str, shown: bool) -> Iterator[Step]:
    """The steps of the inversion, under a bar with the time left."""
    from tqdm import tqdm

    with (
        tqdm(
            total=inversion.steps,
            desc=f"{name}: searching",
            unit="step",
            leave=False,
            file=sys.stderr,
            disable=not shown,
        ) as bar,
        contextlib.closing(iter(inversion)) as steps,
    ):
        inversion.problem.tell = lambda words: bar.set_description(f"{name}: {words}")
        for step in steps:
            if not step.index:
                bar.unpause()  # what the search took says nothing about the time left
            bar.set_description(f"{name}: {step.stage}", refresh=False)
            bar.update(step.index + 1 - bar.n)  # stages may end early
            yield step
