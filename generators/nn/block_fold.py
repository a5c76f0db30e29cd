"""The fold over a generator's blocks, each of which can be called in another way, such as with recomputation."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

StateT = TypeVar("StateT")
Block = Callable[[StateT], StateT]


class BlockFold:
    """Mix-in for modules with ``depth`` blocks: applies one after the other.

    Attributes:
        depth: number of blocks.
    """

    depth: int
    _call_block: Callable[[Block, StateT], StateT] | None = None

    def fold(self, block: Callable[[int, StateT], StateT], state: StateT, first: int) -> StateT:
        """Return the state after ``state = block(k, state)`` for k from ``first`` to ``depth - 1``."""
        for k in range(first, self.depth):
            state = block(k, state) if self._call_block is None else self._call_block(partial(block, k), state)
        return state

    @contextlib.contextmanager
    def calling_blocks(self, call: Callable[[Block, StateT], StateT]) -> Iterator[None]:
        """Apply each block by ``call(block, state)`` while the context lasts."""
        before, self._call_block = self._call_block, call
        try:
            yield
        finally:
            self._call_block = before
