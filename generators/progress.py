"""What takes long reports itself here; whoever shows progress listens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Listener = Callable[[str, int | None, int | None], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_words: ContextVar[str] = ContextVar("words", default="")


def listener() -> Listener | None:
    """Return who listens, or None."""
    return _listener.get()


@contextlib.contextmanager
def listening(to: Listener | None) -> Iterator[None]:
    """Send every report of the block to one listener.

    Args:
        to: called with what is being waited for in a few words ("" when the wait is over), how much of it is done and
            how much there is in all; the two are None where that is not known.
    """
    before = _listener.get(), _words.get()
    _listener.set(to), _words.set("")
    try:
        yield
    finally:  # not by tokens: a generator may be closed in another context than it was begun in
        _listener.set(before[0]), _words.set(before[1])


def report(words: str, done: int | None = None, total: int | None = None) -> None:
    """Tell the listener what is being waited for, and how far it is; ``done == total`` ends the wait."""
    hears = _listener.get()
    if hears is not None:
        hears(words, done, total)
        if done is not None and done == total:
            hears(_words.get(), None, None)


@contextlib.contextmanager
def waiting(words: str) -> Iterator[None]:
    """Report that the block takes a while, of which no more is known. Blocks may be nested."""
    before = _words.get()
    _words.set(words)
    report(words)
    try:
        yield
    finally:
        _words.set(before)
        report(before)
