"""The errors of dgp; each message is one line: what was got, what was expected, what to do."""


class DgpError(Exception):
    """A run that failed; the base class of all errors of dgp.

    Attributes:
        exit_code: exit code of the command line for this error.
    """

    exit_code = 1


class InputError(DgpError, ValueError):
    """A picture, mask, size or option that cannot be used."""

    exit_code = 2


class OutputError(DgpError, OSError):
    """A path that cannot be written, or that holds the results of another run."""

    exit_code = 2


class RecipeError(DgpError, ValueError):
    """A recipe that cannot be read, or that does not suit the prior."""

    exit_code = 2
