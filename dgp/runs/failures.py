"""Exit codes and one-line messages of errors."""

from __future__ import annotations

from dgp.errors import to_one_line


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error: its `exit_code` (errors of dgp, degradations and generators), else 1."""
    code = getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1


def one_line(error: BaseException) -> str:
    """Return the message of an error on one line, with its type if it is an unexpected one."""
    text = to_one_line(str(error))
    if hasattr(error, "exit_code"):
        return text
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"out of memory: {text or 'nothing is left'}; use a smaller --num-solutions, or --device cpu"
    return f"{type(error).__name__}: {text}; -v shows the traceback"
