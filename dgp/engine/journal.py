"""The journal of a search: what its evaluations found, so that an interrupted search is replayed without them.

Everything else that a search does is cheap and draws from streams of its own, so that it happens again in the same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor

from dgp.checkpoint.tree import Tree, snapshot
from dgp.rendering.renderer import Evaluations

Found = TypeVar("Found", bound=Tree)


class Journal:
    """Records the evaluations of a search in their order, and returns those of an earlier one in their place.

    Args:
        evaluations: counts of the run, which go on as if nothing had been replayed.
        on_safe_point: called after every evaluation that is not replayed, and between the steps of a long one.
    """

    def __init__(self, evaluations: Evaluations, on_safe_point: Callable[[], None] = lambda: None):
        self._evaluations, self._on_safe_point = evaluations, on_safe_point
        self._entries: list[dict] = []
        self._partial: dict | None = None
        self._next = 0
        self._inside = False
        self._save: Callable[[], Tree] | None = None
        self._before: Tensor | None = None

    def recall(self, evaluate: Callable[[], Found]) -> Found:
        """Return what the next evaluation finds, or found before the search was interrupted.

        Args:
            evaluate: evaluates rows; evaluations inside it are not recorded by themselves.
        """
        if self._inside:
            return evaluate()
        if self._next < len(self._entries):
            entry = self._entries[self._next]
            self._evaluations.add(entry["counts"])
        else:
            self._before = self._evaluations.counts
            with self._enter():
                found = evaluate()
            entry = {"found": snapshot(found), "counts": self._evaluations.counts - self._before}
            self._entries.append(entry)
            self._on_safe_point()
        self._next += 1
        return entry["found"]

    def take_partial(self) -> Tree:
        """Return the state of the long evaluation that was interrupted, of which this is the repetition, or None."""
        if self._partial is None:
            return None
        partial, self._partial = self._partial, None
        self._evaluations.add(partial["counts"])
        return partial["state"]

    def safe_point(self, save: Callable[[], Tree]) -> None:
        """Tell that a long evaluation is between two steps.

        Args:
            save: returns its state, as ``take_partial`` will.
        """
        self._save = save
        self._on_safe_point()

    def state_dict(self) -> dict:
        """Return what was recorded so far."""
        partial = None
        if self._save is not None:
            partial = {"state": self._save(), "counts": self._evaluations.counts - self._before}
        return {"entries": self._entries, "partial": partial}

    def load_state_dict(self, state: dict) -> None:
        """Replay the search whose ``state_dict`` this is, up to where it was interrupted."""
        self._entries, self._partial, self._next = list(state["entries"]), state["partial"], 0

    @contextlib.contextmanager
    def _enter(self) -> Iterator[None]:
        self._inside = True
        try:
            yield
        finally:
            self._inside, self._save = False, None
