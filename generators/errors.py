"""The errors of generators. Each message is one line: what was got, what was expected, what to do."""


class GeneratorError(Exception):
    """Something about a prior. `exit_code` is what a command line leaves with."""

    exit_code = 3


class UnknownPrior(GeneratorError, ValueError):
    """A name or path under which there is no prior."""

    exit_code = 2


class ClassError(GeneratorError, ValueError):
    """A class that the prior does not have."""

    exit_code = 2


class TruncationError(GeneratorError, ValueError):
    """A truncation that the network does not have."""

    exit_code = 2


class WeightsError(GeneratorError, ValueError):
    """A file of weights that cannot be used."""

    exit_code = 3


class FetchError(GeneratorError, RuntimeError):
    """A file that could not be fetched: the network, the server or the disk."""

    exit_code = 1


class ConversionError(GeneratorError, ValueError):
    """Weights that cannot be written where, or as, they were asked for."""

    exit_code = 2


class TrainingError(GeneratorError, ValueError):
    """Data, settings or a checkpoint that a network cannot be trained with."""

    exit_code = 2
