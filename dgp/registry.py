"""Open unions: a table ``{kind = "...", ...}`` in a recipe becomes the options class registered under that kind."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny, ValidationError

from generators.text import shorten


class Options(BaseModel):
    """Immutable options, as a recipe's tables hold them; an unknown field, NaN and Infinity are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __repr__(self) -> str:
        """Show the fields that differ from their defaults."""
        fields = type(self).model_fields
        changed = [f"{name}={value!r}" for name, value in self if value != fields[name].get_default()]
        return shorten(f"{type(self).__name__}({', '.join(changed)})")

    __str__ = __repr__


class Registry:
    """The options classes that one place of a recipe accepts, by their ``kind``.

    Args:
        noun: the word for messages ("term", "search", ...).
        group: entry-point group in which installed packages offer further kinds.
        builtin: kinds of this package and the modules that register them. A module is imported when one of its kinds
            is first looked up, so that low layers can name kinds that higher layers define.
    """

    def __init__(self, noun: str, group: str, builtin: Mapping[str, str]):
        self.noun, self.group, self.builtin = noun, group, dict(builtin)
        self._classes: dict[str, type[Options]] = {}

    def register(self, kind: str):
        """Return a class decorator that adds a class. It raises ValueError when the name is taken."""

        def add(cls):
            owner = self._classes[kind].__module__ if kind in self._classes else self.builtin.get(kind, cls.__module__)
            if kind in self._classes or owner != cls.__module__:
                raise ValueError(f"the {self.noun} {kind!r} is already registered by {owner}")
            self._classes[kind] = cls
            return cls

        return add

    def registered(self) -> list[str]:
        """Return the kinds whose classes are in memory."""
        return list(self._classes)

    def names(self) -> list[str]:
        """Return all kinds that can be found, sorted."""
        offered = [entry.name for entry in entry_points(group=self.group)]
        return sorted({*self.builtin, *self._classes, *offered})

    def find(self, kind: str) -> type[Options]:
        """Return the class of a kind; import the module or entry point that defines it if need be.

        Raises:
            ValueError: no such kind; the message suggests the nearest.
        """
        if not isinstance(kind, str):
            raise ValueError(f"a {self.noun}'s `kind` is a name, got {_shorten(kind)}")
        if kind not in self._classes and kind in self.builtin:
            import_module(self.builtin[kind])
        if kind not in self._classes:
            for entry in entry_points(group=self.group):
                if entry.name == kind:
                    self._classes.setdefault(kind, entry.load())
        if kind not in self._classes:
            names = self.names()
            near = difflib.get_close_matches(str(kind), names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"
            raise ValueError(f"no {self.noun} named {kind!r}; {hint}")
        return self._classes[kind]

    def classes(self) -> dict[str, type[Options]]:
        """Return every kind of this package and of loaded plugins with its class."""
        return {kind: self.find(kind) for kind in sorted({*self.builtin, *self._classes})}

    def parse(self, value: Any) -> Options:
        """Return the options of a table, or of the name of a kind alone.

        Raises:
            ValueError: no ``kind``, an unknown one, or a field that it does not take.
        """
        if isinstance(value, BaseModel):
            return value
        if isinstance(value, str):
            value = {"kind": value}
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError(f"a {self.noun} is a table with a `kind`, got {_shorten(value)}")
        try:
            return self.find(value["kind"]).model_validate(value)
        except ValidationError as error:
            raise ValueError(f"{self.noun} {value['kind']!r}: {describe_first_error(error)}") from None

    def field(self, base: type) -> Any:
        """Return the annotation of an options field that holds one of these."""
        return Annotated[SerializeAsAny[base], BeforeValidator(self.parse)]

    def optional(self, base: type) -> Any:
        """Return the annotation of an options field that holds one of these, or None."""
        return Annotated[
            SerializeAsAny[base] | None, BeforeValidator(lambda value: None if value is None else self.parse(value))
        ]


def describe_first_error(error: ValidationError) -> str:
    """Return where the first fault lies, what is wrong and what was got, in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] != "value_error":
        message += f", got {_shorten(first['input'])}"
    return f"{where}: {message}" if where else message


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
