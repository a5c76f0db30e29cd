"""What can go wrong here: one family, whose members are builtins as well. ``exit_code`` is for command
lines."""


class DegradationError(Exception):
    """Any failure of an operator or of its description."""

    exit_code = 1


class SpecError(DegradationError, ValueError):
    """A degradation was described wrongly: its name, a parameter or a value."""

    exit_code = 2


class MaskError(DegradationError, ValueError):
    """A mask cannot be read, is empty or full, or does not fit its picture."""

    exit_code = 2


class SizeError(DegradationError, ValueError):
    """A tensor has a shape that the operator cannot take."""

    exit_code = 2


class PluginError(DegradationError, RuntimeError):
    """A third-party operator cannot be used."""

    exit_code = 3
