"""TOML of bounded length and depth, so that no text takes long, much memory, or the whole stack."""

from __future__ import annotations

import re
import tomllib
from typing import Any

LONGEST = 2**16  # characters; the longest recipe of this package has 5,000
DEEPEST = 16  # tables and arrays within each other; the deepest recipe of this package has 6
# A key of more parts than that. The parser's time grows with the square of their number.
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:"[^"\n]*"|'[^'\n]*'|[\w-]++)[ \t]*+\.[ \t]*+){16}""", re.ASCII)


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: it is no TOML, longer than ``LONGEST``, or deeper than ``DEEPEST``.
    """
    if len(text) > LONGEST:
        raise ValueError(f"got {len(text):,} characters, expected at most {LONGEST:,}")
    if _LONG_KEY.search(text):
        raise ValueError(f"got a key of more than {DEEPEST} parts")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"got tables or arrays more than {DEEPEST} deep") from None
    layer: list[Any] = [table]
    for _ in range(DEEPEST):
        inner = [one for value in layer for one in (value.values() if isinstance(value, dict) else value)]
        layer = [value for value in inner if isinstance(value, dict | list)]
    if layer:
        raise ValueError(f"got tables or arrays more than {DEEPEST} deep")
    return table
