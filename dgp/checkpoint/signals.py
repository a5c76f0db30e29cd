"""SIGINT and SIGTERM during a run: the first ends it at a safe point, the second at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from dgp.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Watch:
    """Is asked at the safe points of a run whether the run is to end; this one lets it go on."""

    def check(self) -> None:
        """Raise Interrupted if the run is to end."""

    def defer(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the run has safe points, where it can be ended."""
        return contextlib.nullcontext()


class Signals(Watch):
    """The signals that a process was sent; made by ``catch_signals``."""

    def __init__(self):
        self._pending: int | None = None
        self._deferring = False

    def handle(self, signum: int, frame: object = None) -> None:
        """Remember a deferred signal, or raise Interrupted; leave the process at the second one."""
        if self._pending is not None:
            os._exit(128 + signum)
        self._pending = signum
        if not self._deferring:
            raise Interrupted(signum)

    def check(self) -> None:
        if self._pending is not None:
            raise Interrupted(self._pending)

    @contextlib.contextmanager
    def defer(self) -> Iterator[None]:
        """Let a signal wait for the next safe point."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        self.check()


@contextlib.contextmanager
def catch_signals() -> Iterator[Signals]:
    """Handle SIGINT and SIGTERM in the block; in a thread other than the main one, nothing is caught."""
    found = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {signum: signal.signal(signum, found.handle) for signum in SIGNALS}
    try:
        yield found
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
