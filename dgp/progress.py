"""What is shown of a run while it lasts: on a terminal and in a notebook, a bar or a line with words."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dgp.threads import import_torch

if TYPE_CHECKING:
    from dgp.engine.stage import StepOutput
    from dgp.inversion import Inversion

BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


def watched() -> bool:
    """Return whether somebody sees what goes to stderr: on a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Display:
    """One line on stderr, for reports (`generators.progress`): a bar with the time left where it is known how much
    there is to do, else the words alone.

    Args:
        shown: whether anything is shown.
        about: put before the words, such as the name of a picture.
    """

    def __init__(self, shown: bool, about: str = ""):
        self.shown, self.about, self._bar = shown, about, None

    def __call__(self, words: str, done: int | None = None, total: int | None = None) -> None:
        """Show the words, and how much is done of how much; "" clears the line."""
        if not self.shown:
            return
        if self._bar is not None and (not words or total is None or self._bar.total != total):
            self.close()
        if not words:
            return
        text = f"{self.about}: {words}" if self.about else words
        if self._bar is None:
            from tqdm import tqdm

            form, wide = "{desc} ..." if total is None else BAR, shutil.get_terminal_size().columns
            how = {"total": total, "initial": done or 0, "bar_format": form, "ncols": wide}
            self._bar = tqdm(desc=text, leave=False, file=sys.stderr, **how)
        else:
            self._bar.set_description_str(text, refresh=False)
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the line empty."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextlib.contextmanager
def display(shown: bool | None = None, about: str = "") -> Iterator[None]:
    """Show what takes long in the block, and leave a clean line behind.

    Args:
        shown: whether; None: where somebody watches, and within a block of another display as that one does.
        about: put before the words.
    """
    first = Display(watched() if shown is None else shown, about)
    if "torch" not in sys.modules:
        first("loading PyTorch")
        import_torch()
    from generators import progress

    first.close()
    outer = progress.listener()
    if shown is not None or outer is None:
        with progress.listening(first), contextlib.closing(first):
            yield
    elif isinstance(outer, Display):
        before, outer.about = outer.about, about or outer.about
        try:
            yield
        finally:
            outer.close()
            outer.about = before
    else:
        yield


def followed(inversion: Inversion) -> Iterator[StepOutput]:
    """Yield the steps of the inversion, and report how far it is."""
    from generators.progress import report

    with contextlib.closing(iter(inversion)) as steps:
        for step in steps:
            report(step.stage, step.index + 1, inversion.steps)
            yield step
    report("")  # stages may end early
