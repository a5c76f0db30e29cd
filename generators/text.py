"""Short descriptions of objects, for representations and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

SHOWN = 5


def shorten(text: str, limit: int = 390) -> str:
    """Return the text on one line, cut where it is longer than ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def join_first(items: Sequence[str]) -> str:
    """Return the first few items, separated by commas, and how many more there are."""
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def format_shapes(tensors: Mapping) -> str:
    """Return names and shapes of tensors: "z (6, 128), class (6, 128)"."""
    return join_first([f"{name} {tuple(value.shape)}" for name, value in tensors.items()]) or "none"


def pluralise(number: int, one: str, several: str = "") -> str:
    """Return a number with its noun: "1 class", "3 classes".

    Args:
        number: how many.
        one: the singular.
        several: the plural, where it is not the singular with an s.
    """
    return f"{number} {one if number == 1 else several or one + 's'}"


def format_parameter_count(module: nn.Module) -> str:
    """Return the number of parameters of a module: "4.3 million parameters"."""
    count = sum(parameter.numel() for parameter in module.parameters())
    return f"{count / 1e6:.1f} million parameters" if count >= 1e5 else pluralise(count, "parameter")


def escape(text: str, longest: int = 80) -> str:
    """Return text from an untrusted file for use in a message: short, on one line, without control characters."""
    return text[:longest].encode("unicode_escape").decode()


LONGEST_LINE = 2000  # characters; of a longer text, the middle is left out


def to_one_line(text: str) -> str:
    """Return text on one line: blanks are joined, and characters that a terminal would obey or hide are escaped.

    Names of files and contents of files may hold line breaks, terminal escapes, marks that reverse the direction of
    writing, and bytes that are no text (lone surrogates). These are written as ``\\x1b``, ``\\u202e``, ``\\udc80``.
    """
    joined = " ".join(text.split())
    if not joined.isprintable():
        joined = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in joined)
    return joined if len(joined) <= LONGEST_LINE else f"{joined[: LONGEST_LINE - 505]} ... {joined[-500:]}"
