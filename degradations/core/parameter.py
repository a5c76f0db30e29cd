"""One parameter of an operator: how it is written, checked, described and searched for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import Any

from torch import Tensor

from degradations.core.unknown import RANGE, Unknown
from degradations.errors import SpecError
from degradations.scaling import laws
from degradations.scaling.units import NONE, PIXELS, name_amount, name_unit

KINDS = ("float", "int", "fraction", "choice", "text", "box", "bool")

UNLIMITED = 2**63 - 1  # an upper bound that is not mentioned, such as that of seeds


LARGEST = 1e300  # the largest number that any parameter may be


def quote(text: str) -> str:
    """Return a value as it is written in a spec: quoted only if necessary, with quotation marks inside doubled."""
    if text and not re.search(r"""[+,:='"\s]""", text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _read_fraction(text: str) -> Fraction:
    """Return a fraction such as 1/3, 0.25 or 2.5e-3; an exponent of many digits would take forever to write out."""
    if not re.fullmatch(r"[-+]?[\d_.]{1,1100}(/\d{1,1100}|[eE][-+]?\d{1,3})?", text.strip()):
        raise ValueError(text)
    return Fraction(text)


def _shorten(value: Any) -> str:
    """Return a value as text for a message. Python refuses to write out integers of thousands of digits."""
    try:
        text = "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _write_plainly(value: float) -> str:
    """Return a number without an exponent, to six digits."""
    return f"{value:g}" if "e" not in f"{value:g}" else f"{value:.15f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Parameter:
    """A named value of an operator.

    Args:
        name: its name in a spec, and the name of the operator's attribute.
        default: the value if none is given.
        bounds: lowest and highest legal value, both included.
        unit: for messages and help texts, one of ``scaling.units``; "px" is pixels of the photograph.
        transform: ``linear`` or ``log``, the scale on which an unknown value is searched.
        kind: ``float``, ``int``, ``fraction`` (exact: 1/3 or 0.25), ``choice``, ``text``, ``box``
            (left-top-right-bottom) or ``bool`` (true or false).
        choices: the words that a ``choice`` may be.
        required: there is no sensible default, so a value must be given.
        fixed: a float that cannot vary smoothly, for example because it sets the size of y, and so cannot be bound to
            rows or estimated.
        help: one line.
        plausible: the range in which an unknown value is searched; default: ``bounds``.
        law: how the value changes when the picture is shrunk, one of ``scaling.laws``; default: values in "px" shrink
            as lengths do, others stay.
    """

    name: str
    default: Any = None
    bounds: tuple[float, float] | None = None
    unit: str = NONE
    transform: str = "linear"
    kind: str = "float"
    choices: tuple[str, ...] = ()
    required: bool = False
    fixed: bool = False
    help: str = ""
    plausible: tuple[float, float] | None = None
    law: laws.Law | None = None

    def __post_init__(self):
        if self.kind not in KINDS:
            raise SpecError(f"parameter {self.name}: kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.transform not in ("linear", "log"):
            raise SpecError(f"parameter {self.name}: transform {self.transform!r} is not 'linear' or 'log'")
        if (
            self.plausible
            and self.bounds
            and not self.bounds[0] <= self.plausible[0] < self.plausible[1] <= self.bounds[1]
        ):
            raise SpecError(f"parameter {self.name}: plausible={self.plausible} is not a range within {self.bounds}")

    @property
    def bindable(self) -> bool:
        """Whether it may differ from row to row, as the value of an unknown parameter does."""
        return self.kind == "float" and not self.fixed

    @property
    def expected(self) -> str:
        """The expected values in words, for messages and help texts."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        words = {
            "float": name_amount(self.unit),
            "int": "a whole number",
            "fraction": f"a fraction {self.unit} such as 1/3 or 0.25,".replace("  ", " "),
            "text": "a name",
            "box": "left-top-right-bottom in pixels of the photograph, such as 8-4-24-20",
            "bool": "true or false",
        }[self.kind]
        if self.bounds is not None:
            low, high = map(_write_plainly, self.bounds)
            words += f" from {low}" if self.bounds[1] >= UNLIMITED else f" from {low} to {high}"
        return words.rstrip(",") + (name_unit(self.unit) if self.kind in ("float", "int") else "")

    @property
    def default_in_words(self) -> str:
        """``required``, ``optional``, or ``default`` and the value."""
        if self.required or self.default is None:
            return "required" if self.required else "optional"
        return f"default {self.write(self.default)}"

    def read(self, text: str) -> Any:
        """Convert text from a spec to a value.

        Raises:
            SpecError: the text is no legal value.
        """
        if self.kind != "text" and (text in ("auto", "?") or re.fullmatch(RANGE, text)):
            return self.unknown(text)
        try:
            value: Any = {
                "float": lambda t: float(_read_fraction(t)) if "/" in t else float(t),
                "int": int,
                "fraction": _read_fraction,
                "box": lambda t: tuple(int(part) for part in re.split("[-:]", t)),
                "bool": lambda t: {"true": True, "false": False}[t.lower()],
            }.get(self.kind, str)(text)
        except (ValueError, ArithmeticError, KeyError):
            raise SpecError(f"{self.name}={_shorten(text)} is not {self.expected}") from None
        return self.check(value)

    def unknown(self, text: str) -> Unknown:
        """Convert ``auto``, ``?`` or a range such as ``0.5..4`` to an unknown value.

        Raises:
            SpecError: the parameter cannot be estimated, or its range is missing, empty or illegal.
        """
        if not self.bindable:
            raise SpecError(f"{self.name}={text}: an estimate is not possible for {self.name}; give {self.expected}")
        stated = re.fullmatch(RANGE, text)
        span = tuple(map(float, stated.groups())) if stated else self.plausible or self.bounds
        if span is None:
            raise SpecError(f"{self.name}={text}: no range is known; state one, e.g. {self.name}=0.5..4")
        low, high = map(self.check, span)
        if not low < high:
            raise SpecError(f"{self.name}={text} is an empty range; give the lower value first")
        if self.transform == "log" and not low > 0:
            raise SpecError(f"{self.name}={text}: a logarithmic range cannot begin at {low:g}; begin above 0")
        whole = span == (self.plausible or self.bounds)
        asked = "auto" if whole else f"{self.write(low)}..{self.write(high)}"
        return Unknown(self.name, low=low, high=high, transform=self.transform, asked=asked)

    def check(self, value: Any) -> Any:
        """Convert a value given in Python to the value that is kept.

        Raises:
            SpecError: it is of the wrong kind or out of bounds.
        """
        if isinstance(value, Unknown):
            return value
        wrong = SpecError(f"{self.name}={_shorten(value)} is not {self.expected}")
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
        if self.kind == "bool":
            if not isinstance(value, bool):
                raise wrong
            return value
        if isinstance(value, bool) or not isinstance(value, Real) or not -LARGEST < value < LARGEST:
            raise wrong
        if self.kind == "int" and int(value) != value:
            raise wrong
        if self.bounds is not None and not self.bounds[0] <= value <= self.bounds[1]:
            raise SpecError(f"{self.name}={_shorten(value)} is out of range; expected {self.expected}")
        if self.kind == "fraction":
            return value if isinstance(value, Fraction) else Fraction(str(value))
        return int(value) if self.kind == "int" else float(value)

    def scale(self, value: Any, factor: float) -> Any:
        """Return the value for a picture whose sides are multiplied by a factor.

        Numbers and tensors are clamped to ``bounds``. The range of an unknown value is not, so that its positions keep
        their meaning: both ends follow the law.
        """
        law = self.law or (laws.length if self.unit == PIXELS else laws.constant)
        if law is laws.constant or value is None:
            return value
        if isinstance(value, Unknown):
            low, high = law(value.low, factor), law(value.high, factor)
            return replace(value, low=low, high=high, asked=f"{self.write(low)}..{self.write(high)}")
        if self.kind == "box":
            left, top, right, bottom = (round(law(v, factor)) for v in value)
            return left, top, max(right, left + 1), max(bottom, top + 1)
        scaled = law(value, factor)
        low, high = self.bounds or (-math.inf, math.inf)
        if isinstance(scaled, Tensor):
            return scaled.clamp(low, high)
        return type(value)(min(max(round(scaled) if self.kind == "int" else scaled, low), high))

    def admit(self, span: Unknown) -> Parameter:
        """Return the parameter with bounds that hold the whole range of an unknown value."""
        if self.bounds is None or self.bounds[0] <= span.low and span.high <= self.bounds[1]:
            return self
        return replace(self, bounds=(min(self.bounds[0], span.low), max(self.bounds[1], span.high)))

    def write(self, value: Any) -> str:
        """Return the canonical text of a value, from which ``read`` gives the value back."""
        if isinstance(value, Unknown):
            return value.asked
        if self.kind == "float":
            return (
                str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value)).replace("e+", "e")
            )
        if self.kind == "bool":
            return "true" if value else "false"
        if self.kind == "box":
            return "-".join(map(str, value))
        if self.kind == "fraction":
            decimal = repr(float(value))
            return decimal if "e" not in decimal and Fraction(decimal) == value else str(value)
        return quote(str(value))

    def __repr__(self) -> str:
        return f"Parameter {self.name}: {self.expected}, {self.default_in_words}. {self.help}"[:400]
