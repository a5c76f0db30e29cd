"""Overrides of a recipe, ``key.path=value``: ``stages.*.lr=0.01``, ``stages.2.release.groups="all"``.

A ``*`` addresses every entry that has the tables named by the rest of the key (``stages.*.release.lr``: the stages that
release layers), or all entries if none has them. The ``lr`` of a stage is the learning rate of all its variables:
setting it removes the rates of single variables.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dgp.errors import RecipeError
from dgp.recipes.toml import DEEPEST, parse_toml
from generators.text import shorten

Overrides = str | Sequence[str | tuple[str, Any]] | Mapping[str, Any]
OPEN_TABLES = ("move", "variables")  # tables whose keys are names that the author of a recipe chooses


def merge_tables(base: Mapping, over: Mapping) -> dict:
    """Return ``base`` updated by ``over``: tables are merged recursively, other values are replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = merge_tables(base[key], value) if both else value
    return merged


def parse_value(text: str) -> Any:
    """Parse a TOML value; a text that is not valid TOML is a string."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text.strip()


def parse_overrides(overrides: Overrides, budget: int | None = None) -> list[tuple[str, Any]]:
    """Return overrides as pairs of a key and a value.

    Args:
        overrides: a text ``key=value``, several of them or of pairs, or a mapping.
        budget: added as the last override, if not None.

    Raises:
        RecipeError: a text without ``=``.
    """
    if isinstance(overrides, Mapping):
        pairs = list(overrides.items())
    else:
        texts = [overrides] if isinstance(overrides, str) else overrides
        pairs = [text if isinstance(text, tuple) and len(text) == 2 else _split(text) for text in texts]
    return pairs if budget is None else [*pairs, ("budget", budget)]


def apply_overrides(table: Mapping, overrides: Iterable[tuple[str, Any]]) -> dict:
    """Return a deep copy of a recipe's table with overrides applied in order.

    Args:
        table: the nested tables of the recipe.
        overrides: pairs of a key and a value, see `parse_overrides`.

    Raises:
        RecipeError: a key that does not exist; the message suggests the nearest one.
    """
    result = copy.deepcopy(_tuples_to_lists(table))
    for key, value in overrides:
        if not isinstance(key, str) or key.count(".") >= DEEPEST:
            raise RecipeError(f"--set {shorten(str(key), 60)}: expected a key of at most {DEEPEST} parts")
        _assign(result, key.split("."), value, key=key)
    return result


def _tuples_to_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _tuples_to_lists(v) for k, v in value.items()}
    return [_tuples_to_lists(v) for v in value] if isinstance(value, list | tuple) else value


def _split(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=") if isinstance(text, str) else ("", "", "")
    if not equals or not key.strip():
        raise RecipeError(f"--set (in Python: overrides) takes KEY=VALUE, got {text!r}; for example 'stages.*.lr=0.01'")
    return key.strip(), parse_value(value)


class AddedTable(dict):
    """A table that an override has added: any key may be set in it, and is validated with the recipe afterwards."""


def _assign(node: Any, path: list[str], value: Any, *, key: str, parent: str = "") -> None:
    """Set a value in nested tables and lists, in place.

    Args:
        node: a table or a list.
        path: the keys from `node` to the value.
        value: the value.
        key: the complete key, for messages.
        parent: the key of `node`.
    """
    head, rest = path[0], path[1:]
    for entry in _matching_entries(node, path, key=key, parent=parent):
        if rest:
            if isinstance(node, dict) and node.get(entry) is None:
                node[entry] = AddedTable()
            _assign(node[entry], rest, value, key=key, parent=head if head != "*" else parent)
        else:
            own = copy.deepcopy(value)  # a later override of one entry must not change the others
            node[entry] = AddedTable(own) if isinstance(own, dict) else own
            if entry == "lr" and isinstance(node.get("move"), dict):
                node["move"] = {name: _without_rate(options) for name, options in node["move"].items()}


def _matching_entries(node: Any, path: list[str], *, key: str, parent: str) -> list:
    """Return the keys or indices of `node` that the first part of a path addresses; arguments as of `_assign`."""
    head, rest = path[0], path[1:]
    if isinstance(node, list):
        entries = range(len(node)) if head == "*" else [int(head)] if _is_index(head, node) else None
        if entries is None:
            raise RecipeError(
                f"--set {key}: {head!r} is not an index of a list of {len(node)}; "
                f"expected 0 to {len(node) - 1}, or * for all"
            )
    elif isinstance(node, dict):
        entries = list(node) if head == "*" else [head]
        if head != "*" and head not in node and parent not in OPEN_TABLES and not isinstance(node, AddedTable):
            near = difflib.get_close_matches(head, list(node), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(node)}"
            raise RecipeError(f"--set {key}: there is no key {head!r}; {hint}")
    else:
        raise RecipeError(f"--set {key}: {parent!r} holds a value, not a table; drop {'.'.join(path)!r} from the key")
    if head == "*":
        return [entry for entry in entries if _has_path(node[entry], rest[:-1])] or list(entries)
    return list(entries)


def _without_rate(options: Any) -> Any:
    return {**options, "lr": None} if isinstance(options, dict) else options


def _is_index(text: str, node: list) -> bool:
    """Return whether a part of a key is the index of an entry of a list."""
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(node)


def _has_path(node: Any, path: list[str]) -> bool:
    """Return whether all tables on the path of a key exist."""
    for number, name in enumerate(path):
        if name == "*":
            inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
            return any(_has_path(item, path[number + 1 :]) for item in inside)
        if isinstance(node, list) and _is_index(name, node):
            node = node[int(name)]
        elif isinstance(node, dict) and node.get(name) is not None:
            node = node[name]
        else:
            return False
    return True
