"""How much of a pass is in memory at once, and what gives way when it does not fit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from dgp.errors import DgpError, OutOfMemory
from generators.text import pluralise

PIXELS_AT_ONCE = 2**18  # of one forward and backward: about the memory of sixteen 128-px pictures
# What PyTorch's allocator of the CPU says, and oneDNN, which has no other words for it; both raise RuntimeError.
CPU_SHORTAGE = re.compile(r"DefaultCPUAllocator: (can't allocate|not enough) memory|could not create a primitive")
ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+) ?(bytes|KiB|MiB|GiB)")
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
Found = TypeVar("Found")
Part = slice | Tensor

logger = logging.getLogger(__name__)


class MemoryPlan:
    """Splits rows into parts that fit into memory together, and makes them smaller when they do not.

    A shortage halves the rows of a part. When a single row does not fit, the backward pass computes the activations of
    the generator's blocks again instead of keeping them (Chen et al. 2016); when that does not fit either, the run
    fails. What gave way stays so for the rest of the run.

    Args:
        single: whether rows are rendered one at a time from the beginning, so that their bits do not depend on others.

    Attributes:
        pixels: of the pictures that are rendered together, at most; a single row is always allowed.
        recompute: whether the backward pass computes activations again.
        shortages: how often a pass did not fit.
    """

    def __init__(self, single: bool = False):
        self.single, self.pixels = single, 1 if single else PIXELS_AT_ONCE
        self.recompute, self.shortages = False, 0
        self._in_hand = (1, 1)  # rows of the part that ``split`` handed out last, and their side

    def rows_at_once(self, side: int) -> int:
        """Return how many rows with pictures of ``side`` pixels a side are rendered together at most."""
        return max(1, self.pixels // side**2)

    def split(self, rows: int | Part, side: int) -> Iterator[Part]:
        """Split rows into parts that fit into memory.

        Args:
            rows: a number of rows, a range of them, or the indices (n,) of some.
            side: pixels a side of their pictures.
        """
        for part in split_rows(rows, self.rows_at_once(side)):
            self._in_hand = count_rows(part), side
            yield part

    def evaluate(self, parts: Iterable[Part], side: int, function: Callable[[Part], Found]) -> list[Found]:
        """Return what a function finds on parts of rows, and on parts of those where it runs out of memory.

        Args:
            parts: the parts to try first, in order.
            side: pixels a side of the rows' pictures.
            function: evaluates a part, and changes nothing if it fails.

        Raises:
            OutOfMemory: a part of one row does not fit.
        """
        found, waiting = [], list(parts)
        while waiting:
            part = waiting.pop(0)
            if (self.single or self.shortages) and count_rows(part) > self.rows_at_once(side):
                waiting[:0] = self.split(part, side)
                continue
            try:
                found.append(function(part))
                continue
            except (RuntimeError, MemoryError) as error:
                asked = find_shortage(error)
            # Outside of the handler, as the error holds the tensors of the pass that failed.
            self.give_way(count_rows(part), side, asked)
            waiting[:0] = self.split(part, side)
        return found

    def repeat(self, evaluate: Callable[[], Found], undo: Callable[[], None]) -> Found:
        """Return what a function finds that goes over ``split`` rows; it begins again where a part does not fit.

        Args:
            evaluate: the function.
            undo: undoes what it did before it failed.

        Raises:
            OutOfMemory: a part of one row does not fit.
        """
        while True:
            try:
                return evaluate()
            except (RuntimeError, MemoryError) as error:
                asked = find_shortage(error)
            undo()
            self.give_way(*self._in_hand, asked)

    def give_way(self, rows: int, side: int, asked: int | None) -> None:
        """Let a pass over so many rows take less memory from now on.

        Args:
            rows: rows of the part that did not fit.
            side: pixels a side of their pictures.
            asked: bytes that were asked for; None where that is not known.

        Raises:
            OutOfMemory: nothing is left that could give way.
        """
        self.shortages += 1
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        if rows > 1:
            self.pixels = min(self.pixels, rows // 2 * side**2)
            logger.warning("memory is short", extra={"asked_bytes": asked, "rows_at_once": rows // 2, "side": side})
            return
        if not self.recompute and torch.is_grad_enabled():
            self.recompute = True
            logger.warning("memory is short", extra={"asked_bytes": asked, "checkpoint_activations": True})
            return
        size = "an unknown number of bytes" if asked is None else f"{asked} bytes"
        raise OutOfMemory(
            f"a pass of one row at {side} x {side} px asked for {size}, which is more memory than there is; use a "
            "smaller prior, a recipe that releases fewer layers, fewer solutions, or a machine with more memory"
        )

    def record(self, side: int) -> dict:
        """Return the entry of result.json: what gave way, for pictures of ``side`` pixels a side."""
        return {
            "rows_at_once": self.rows_at_once(side),
            "checkpoint_activations": self.recompute,
            "shortages": self.shortages,
        }

    def describe(self, side: int) -> list[str]:
        """Return a note for the user on what gave way, or none."""
        if not self.shortages:
            return []
        before, now = max(1, PIXELS_AT_ONCE // side**2), self.rows_at_once(side)
        ways = [f"at most {pluralise(now, 'row')} at once instead of {before}"] if now < before else []
        if self.recompute:
            ways.append("activations are computed again in the backward pass")
        return [f"memory was short {pluralise(self.shortages, 'time')}: {'; '.join(ways) or 'fewer rows at once'}"]

    def state_dict(self) -> dict:
        """Return what gave way so far."""
        return {"pixels": self.pixels, "recompute": self.recompute, "shortages": self.shortages}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a ``state_dict``."""
        self.pixels = min(self.pixels, state["pixels"])
        self.recompute, self.shortages = state["recompute"], state["shortages"]


def find_shortage(error: BaseException) -> int | None:
    """Return how many bytes an allocation asked for that failed, None if it does not tell; raise any other error."""
    short = isinstance(error, torch.OutOfMemoryError | MemoryError) or CPU_SHORTAGE.search(str(error))
    if not short or isinstance(error, DgpError):
        raise error
    found = ASKED.search(str(error))
    return round(float(found[1]) * UNITS[found[2]]) if found else None


def count_rows(part: Part) -> int:
    """Return the number of rows of a part."""
    return part.stop - part.start if isinstance(part, slice) else len(part)


def split_rows(rows: int | Part, at_once: int) -> Iterator[Part]:
    """Split rows, as ``MemoryPlan.split`` takes them, into parts of at most ``at_once``."""
    if isinstance(rows, Tensor):
        yield from rows.split(at_once)
        return
    whole = slice(0, rows) if isinstance(rows, int) else rows
    for start in range(whole.start, whole.stop, at_once):
        yield slice(start, min(start + at_once, whole.stop))
