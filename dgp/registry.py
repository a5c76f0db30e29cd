"""Open unions: a table ``{kind = "...", ...}`` in a recipe becomes the frozen dataclass registered under that kind."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny, ValidationError

from generators.text import shorten


class Frozen(BaseModel):
    """Options: immutable; an unknown field, NaN and Infinity are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __repr__(self) -> str:
        """Show what differs from the defaults."""
        fields = type(self).model_fields
        changed = [f"{name}={value!r}" for name, value in self if value != fields[name].get_default()]
        return shorten(f"{type(self).__name__}({', '.join(changed)})")

    __str__ = __repr__


class Kinds:
    """The classes that may stand at one place of a recipe, by their ``kind``.

    Args:
        what: the word for messages ("term", "search", ...).
        group: entry-point group in which installed packages offer further kinds.
    """

    def __init__(self, what: str, group: str | None = None):
        self.what, self.group, self.classes = what, group, {}

    def register(self, kind: str):
        """Class decorator. Raises ValueError when the name is taken."""

        def add(cls):
            if kind in self.classes:
                raise ValueError(f"the {self.what} {kind!r} is already registered by {self.classes[kind].__module__}")
            self.classes[kind] = cls
            return cls

        return add

    def find(self, kind: str) -> type:
        if kind not in self.classes and self.group:
            for entry in entry_points(group=self.group):
                if entry.name == kind:
                    self.classes.setdefault(kind, entry.load())
        if kind not in self.classes:
            near = difflib.get_close_matches(str(kind), self.classes, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(self.classes))}"
            raise ValueError(f"no {self.what} named {kind!r}; {hint}")
        return self.classes[kind]

    def parse(self, value: Any) -> BaseModel:
        if isinstance(value, BaseModel):
            return value
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError(f"a {self.what} is a table with a `kind`, got {value!r}")
        try:
            return self.find(value["kind"]).model_validate(value)
        except ValidationError as error:
            raise ValueError(f"{self.what} {value['kind']!r}: {first_fault(error)}") from None

    def field(self, base: type) -> Any:
        """The annotation of a recipe field that holds one of these."""
        return Annotated[SerializeAsAny[base], BeforeValidator(self.parse)]

    def optional(self, base: type) -> Any:
        """The same, or None."""
        return Annotated[
            SerializeAsAny[base] | None, BeforeValidator(lambda value: None if value is None else self.parse(value))
        ]


def first_fault(error: ValidationError) -> str:
    """Where, what is wrong, and what was got, in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] != "value_error":
        said += f", got {_short(first['input'])}"
    return f"{where}: {said}" if where else said


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
