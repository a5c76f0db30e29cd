"""Progress display on stderr: a bar or a line of text, on a terminal and in notebooks."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from typing import Protocol, TypeVar

from dgp.threads import import_torch

BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


class Step(Protocol):
    """A step of an inversion, as far as the display needs it: the name of its stage and its index from 0."""

    stage: str
    index: int


AnyStep = TypeVar("AnyStep", bound=Step, covariant=True)


class Steps(Protocol[AnyStep]):
    """An iterable of steps whose number is known, such as an inversion."""

    @property
    def steps(self) -> int: ...

    def __iter__(self) -> Iterator[AnyStep]: ...


def is_interactive() -> bool:
    """Return whether a user sees stderr at once: on a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Display:
    """A listener of progress reports (`generators.progress`) that shows them on one line of stderr.

    It is a bar with the time left if the total is known, else the text alone.

    Args:
        enabled: show anything at all.
        prefix: text before each report, such as the name of a picture.
    """

    def __init__(self, enabled: bool, prefix: str = ""):
        self.enabled, self.prefix, self._bar = enabled, prefix, None

    def __call__(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show a report.

        Args:
            text: what is being done; "" clears the line.
            done: how many units are done.
            total: how many units there are; None if unknown.
        """
        if not self.enabled:
            return
        if self._bar is not None and (not text or total is None or self._bar.total != total):
            self.close()
        if not text:
            return
        line = f"{self.prefix}: {text}" if self.prefix else text
        if self._bar is None:
            from tqdm import tqdm

            bar_format, columns = "{desc} ..." if total is None else BAR, shutil.get_terminal_size().columns
            options = {"total": total, "initial": done or 0, "bar_format": bar_format, "ncols": columns}
            self._bar = tqdm(desc=line, leave=False, file=sys.stderr, **options)
        else:
            self._bar.set_description_str(line, refresh=False)
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Clear the line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextlib.contextmanager
def display(enabled: bool | None = None, prefix: str = "") -> Iterator[None]:
    """Show the progress of the block's work, and clear the line at its end.

    Args:
        enabled: show anything at all; None: as an enclosing `display` does, else whether `is_interactive`.
        prefix: text before each report.
    """
    own = Display(is_interactive() if enabled is None else enabled, prefix)
    if "torch" not in sys.modules:
        own("loading PyTorch")
        import_torch()
    from generators import progress

    own.close()
    outer = progress.listener()
    if enabled is not None or outer is None:
        with progress.listening(own), contextlib.closing(own):
            yield
    elif isinstance(outer, Display):
        before, outer.prefix = outer.prefix, prefix or outer.prefix
        try:
            yield
        finally:
            outer.close()
            outer.prefix = before
    else:
        yield


def report_steps(inversion: Steps[AnyStep]) -> Iterator[AnyStep]:
    """Yield the steps of an inversion, and report its progress after each."""
    from generators.progress import report

    with contextlib.closing(iter(inversion)) as steps:
        for step in steps:
            report(step.stage, step.index + 1, inversion.steps)
            yield step
    report("")  # a stage that ends early leaves the bar short of its total
