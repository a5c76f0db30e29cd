"""Progress reports: long computations report here, and whoever shows progress listens."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

Listener = Callable[[str, int | None, int | None], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_words: ContextVar[str] = ContextVar("words", default="")


def listener() -> Listener | None:
    """Return the current listener, or None."""
    return _listener.get()


@contextlib.contextmanager
def listening(to: Listener | None) -> Iterator[None]:
    """Send all reports within the block to one listener.

    Args:
        to: called with what is being waited for in a few words ("" when the wait is over), how much is done, and how
            much there is in all; the two numbers are None where they are not known.
    """
    before = _listener.get(), _words.get()
    _listener.set(to), _words.set("")
    try:
        yield
    finally:  # ContextVar.reset would fail where a generator is closed in another context than it was started in
        _listener.set(before[0]), _words.set(before[1])


def report(words: str, done: int | None = None, total: int | None = None) -> None:
    """Tell the listener what is being waited for and how far it is; ``done == total`` ends the wait."""
    listener = _listener.get()
    if listener is not None:
        listener(words, done, total)
        if done is not None and done == total:
            listener(_words.get(), None, None)


@contextlib.contextmanager
def waiting(words: str) -> Iterator[None]:
    """Report that the block takes a while, of unknown length. Blocks may be nested."""
    before = _words.get()
    _words.set(words)
    report(words)
    try:
        yield
    finally:
        _words.set(before)
        report(before)
