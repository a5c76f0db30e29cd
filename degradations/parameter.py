"""One parameter of an operator: how it is written and checked, and what help and searches may know of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from numbers import Real
from typing import Any

from degradations.errors import SpecError

KINDS = ("float", "int", "fraction", "choice", "text", "box")


def quote(text: str) -> str:
    """A value as it stands in a spec: quoted only where it must be; a quotation mark inside is doubled."""
    if text and not re.search(r"""[+,:='"\s]""", text):
        return text
    return '"' + text.replace('"', '""') + '"'


@dataclass(frozen=True)
class Parameter:
    """A named value of an operator.

    Args:
        name: how it is written in a spec; the operator has an attribute of this name.
        default: value when it is not given.
        bounds: lowest and highest legal value, both included.
        unit: for help texts ("px", ...).
        transform: ``linear`` or ``log``, the scale on which an unknown value is searched.
        kind: ``float``, ``int``, ``fraction`` (exact: 1/3 or 0.25), ``choice``, ``text`` or ``box``
            (left-top-right-bottom).
        choices: the words that a ``choice`` may be.
        required: there is no sensible default, so it must be given.
        fixed: a float that cannot vary smoothly (one that sets the size of y, say) and so cannot be bound to
            rows.
        help: one line.
    """

    name: str
    default: Any = None
    bounds: tuple[float, float] | None = None
    unit: str = ""
    transform: str = "linear"
    kind: str = "float"
    choices: tuple[str, ...] = ()
    required: bool = False
    fixed: bool = False
    help: str = ""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise SpecError(f"parameter {self.name}: kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.transform not in ("linear", "log"):
            raise SpecError(f"parameter {self.name}: transform {self.transform!r} is not 'linear' or 'log'")

    @property
    def bindable(self) -> bool:
        """May it differ from row to row, as an unknown that is estimated does?"""
        return self.kind == "float" and not self.fixed

    @property
    def expected(self) -> str:
        """What a value looks like, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        words = {
            "float": "a number",
            "int": "a whole number",
            "fraction": "a fraction such as 1/3 or 0.25",
            "text": "a name",
            "box": "left-top-right-bottom in pixels, such as 8-4-24-20",
        }[self.kind]
        if self.bounds is not None:
            words += f" from {self.bounds[0]:g} to {self.bounds[1]:g}"
        return words

    def read(self, text: str) -> Any:
        """Text from a spec -> value. SpecError when it is not one."""
        if self.kind != "text" and (text in ("auto", "?") or re.fullmatch(r"[\d.eE+-]*\d\.\.[\d.].*", text)):
            raise SpecError(f"{self.name}={text} asks for an estimate, which is not offered; give {self.expected}")
        try:
            value: Any = {
                "float": lambda t: float(Fraction(t)) if "/" in t else float(t),
                "int": int,
                "fraction": Fraction,
                "box": lambda t: tuple(int(part) for part in re.split("[-:]", t)),
            }.get(self.kind, str)(text)
        except (ValueError, ZeroDivisionError):
            raise SpecError(f"{self.name}={text} is not {self.expected}") from None
        return self.check(value)

    def check(self, value: Any) -> Any:
        """A value given in Python -> the value kept. SpecError when it is of the wrong kind or out of
        bounds."""
        wrong = SpecError(f"{self.name}={value} is not {self.expected}")
        if self.kind in ("text", "choice"):
            value = str(value)
            if not value or (self.kind == "choice" and value not in self.choices):
                raise wrong
            return value
        if self.kind == "box":
            if not (isinstance(value, (tuple, list)) and len(value) == 4 and all(isinstance(v, int) for v in value)):
                raise wrong
            if not (0 <= value[0] < value[2] and 0 <= value[1] < value[3]):
                raise wrong
            return tuple(value)
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise wrong
        if self.kind == "int" and int(value) != value:
            raise wrong
        if self.bounds is not None and not self.bounds[0] <= value <= self.bounds[1]:
            raise SpecError(f"{self.name}={value} is out of range; expected {self.expected}")
        if self.kind == "fraction":
            return value if isinstance(value, Fraction) else Fraction(str(value))
        return int(value) if self.kind == "int" else float(value)

    def write(self, value: Any) -> str:
        """The canonical text of a value; ``read`` gives the value back."""
        if self.kind == "float":
            return (
                str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value)).replace("e+", "e")
            )
        if self.kind == "box":
            return "-".join(map(str, value))
        if self.kind == "fraction":
            decimal = repr(float(value))
            return decimal if "e" not in decimal and Fraction(decimal) == value else str(value)
        return quote(str(value))
