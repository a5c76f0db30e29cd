"""The errors of this package. Each message is one line: what was got, what was expected, what to do next."""

from generators.text import to_one_line


class GeneratorError(Exception):
    """Base class of the errors of this package. ``exit_code`` is the exit status of a command that fails with it."""

    exit_code = 3

    def __str__(self) -> str:
        return to_one_line(super().__str__())


class UnknownPrior(GeneratorError, ValueError):
    """No prior has this name or path."""

    exit_code = 2


class ClassError(GeneratorError, ValueError):
    """The prior does not have this class."""

    exit_code = 2


class TruncationError(GeneratorError, ValueError):
    """The network does not support this truncation."""

    exit_code = 2


class WeightsError(GeneratorError, ValueError):
    """A file of weights cannot be used."""

    exit_code = 3


class FetchError(GeneratorError, RuntimeError):
    """A download failed: the network, the server or the disk."""

    exit_code = 1


class ConversionError(GeneratorError, ValueError):
    """Weights cannot be written to this place, or in this form."""

    exit_code = 2


class TrainingError(GeneratorError, ValueError):
    """A network cannot be trained with these data, settings or checkpoint."""

    exit_code = 2
