"""The errors of dgp; each message is one line: what was got, what was expected, what to do."""

import signal

LONGEST_LINE = 2000  # characters; of a longer text, the middle is left out


def to_one_line(text: str) -> str:
    """Return text on one line: blanks are joined, and characters that a terminal would obey or hide are escaped.

    Names and contents of files may hold line breaks, terminal escapes, marks that reverse the direction of writing, and
    bytes that are no text (lone surrogates). These are written as ``\\x1b``, ``\\u202e``, ``\\udc80``.
    """
    joined = " ".join(text.split())
    if not joined.isprintable():
        joined = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)
    return joined if len(joined) <= LONGEST_LINE else f"{joined[: LONGEST_LINE - 505]} ... {joined[-500:]}"


class DgpError(Exception):
    """A run that failed; the base class of all errors of dgp.

    Attributes:
        exit_code: exit code of the command line for this error.
    """

    exit_code = 1

    def __str__(self) -> str:
        return to_one_line(super().__str__())


class InputError(DgpError, ValueError):
    """A picture, mask, size or option that cannot be used."""

    exit_code = 2


class OutputError(DgpError, OSError):
    """A path that cannot be written, or that holds the results of another run."""

    exit_code = 2


class CheckpointError(DgpError, ValueError):
    """A checkpoint that is damaged, or that belongs to another run."""

    exit_code = 2


class RecipeError(DgpError, ValueError):
    """A recipe that cannot be read, or that does not suit the prior."""

    exit_code = 2


class OutOfMemory(DgpError, MemoryError):
    """A pass that does not fit into memory, although everything that can give way has given way."""


class Interrupted(DgpError):
    """A run that a signal ended.

    Args:
        signum: the signal; the exit code is 128 plus its number, 130 for SIGINT and 143 for SIGTERM.
        hint: how to go on.
    """

    def __init__(self, signum: int, hint: str = ""):
        super().__init__(f"interrupted by {signal.Signals(signum).name}{hint and '; '}{hint}")
        self.signum, self.hint, self.exit_code = signum, hint, 128 + signum

    def __reduce__(self):
        return type(self), (self.signum, self.hint)
