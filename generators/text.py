"""What the text of an object says of long things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

SHOWN = 5


def shorten(text: str, limit: int = 390) -> str:
    """Return the text on one line, cut where it is longer than ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


def join_first(items: Sequence[str]) -> str:
    """Return the first few items, and how many more there are."""
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def format_shapes(tensors: Mapping) -> str:
    """Return names and shapes of tensors: "z (6, 128), class (6, 128)"."""
    return join_first([f"{name} {tuple(value.shape)}" for name, value in tensors.items()]) or "none"


def pluralise(number: int, one: str, several: str = "") -> str:
    """Return "1 class", "3 classes"; ``several``: the plural, where it is not ``one`` with an s."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def format_parameter_count(module: nn.Module) -> str:
    """Return how many parameters a module has: "4.3 million parameters"."""
    count = sum(parameter.numel() for parameter in module.parameters())
    return f"{count / 1e6:.1f} million parameters" if count >= 1e5 else pluralise(count, "parameter")


def escape(text: str, longest: int = 80) -> str:
    """A text of the file for a message: short, and on one line."""
    return text[:longest].encode("unicode_escape").decode()
