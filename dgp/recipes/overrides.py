"""``key.path=value`` on nested tables: ``stages.*.lr=0.01``, ``stages.2.release.groups="all"``.

A ``*`` stands for every place that has the tables which the rest of the key names (``stages.*.release.lr``: the stages
that release layers), or for all places where none has them. The ``lr`` of a stage is that of all its variables: it
takes the place of the rates that they state themselves.
"""

from __future__ import annotations

import copy
import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dgp.errors import RecipeError

Overrides = str | Sequence[str | tuple[str, Any]] | Mapping[str, Any]
OPEN_TABLES = ("move", "variables")  # their keys are names of the user's choosing


def merge_tables(base: Mapping, over: Mapping) -> dict:
    """``over`` on top of ``base``: tables are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = merge_tables(base[key], value) if both else value
    return merged


def parse_value(text: str) -> Any:
    """A TOML value; a bare word is a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def parse_overrides(overrides: Overrides, budget: int | None = None) -> list[tuple[str, Any]]:
    """Return (key, value) of one ``key=value`` text, of several texts or pairs, or of a mapping; a budget comes last.

    Raises RecipeError for a text without ``=``.
    """
    if isinstance(overrides, Mapping):
        pairs = list(overrides.items())
    else:
        texts = [overrides] if isinstance(overrides, str) else overrides
        pairs = [text if isinstance(text, tuple) and len(text) == 2 else _split(text) for text in texts]
    return pairs if budget is None else [*pairs, ("budget", budget)]


def apply_overrides(table: Mapping, overrides: Iterable[tuple[str, Any]]) -> dict:
    """A deep copy of ``table`` with the values at keys replaced, one after the other (`pairs_of`).

    Raises RecipeError: a key that is not there (with the nearest).
    """
    result = copy.deepcopy(_lists(table))
    for key, value in overrides:
        _assign(result, key.split("."), value, key)
    return result


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _lists(v) for k, v in value.items()}
    return [_lists(v) for v in value] if isinstance(value, list | tuple) else value


def _split(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=") if isinstance(text, str) else ("", "", "")
    if not equals or not key.strip():
        raise RecipeError(f"--set (in Python: overrides) takes KEY=VALUE, got {text!r}; for example 'stages.*.lr=0.01'")
    return key.strip(), parse_value(value)


class AddedTable(dict):
    """A table that the overrides bring: any key may be set in it, and the recipe's types judge it afterwards."""


def _assign(node: Any, path: list[str], value: Any, whole: str, parent: str = "") -> None:
    head, rest = path[0], path[1:]
    if isinstance(node, list):
        places = range(len(node)) if head == "*" else [int(head)] if head.isdigit() and int(head) < len(node) else None
        if places is None:
            raise RecipeError(
                f"--set {whole}: {head!r} is not an index of a list of {len(node)}; "
                f"expected 0 to {len(node) - 1}, or * for all"
            )
    elif isinstance(node, dict):
        places = list(node) if head == "*" else [head]
        if head != "*" and head not in node and parent not in OPEN_TABLES and not isinstance(node, AddedTable):
            near = difflib.get_close_matches(head, list(node), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(node)}"
            raise RecipeError(f"--set {whole}: no key {head!r} there; {hint}")
    else:
        raise RecipeError(f"--set {whole}: {parent!r} holds a value, not a table; drop {'.'.join(path)!r} from the key")
    if head == "*":
        places = [place for place in places if _has_path(node[place], rest[:-1])] or places
    for place in places:
        if rest:
            if isinstance(node, dict) and node.get(place) is None:
                node[place] = AddedTable()
            _assign(node[place], rest, value, whole, head if head != "*" else parent)
        else:
            own = copy.deepcopy(value)  # of each place: what is set further in one must not reach the others
            node[place] = AddedTable(own) if isinstance(own, dict) else own
            if place == "lr" and isinstance(node.get("move"), dict):
                node["move"] = {
                    name: {**how, "lr": None} if isinstance(how, dict) else how for name, how in node["move"].items()
                }


def _has_path(node: Any, path: list[str]) -> bool:
    """Return whether all the tables that a key passes on its way are there."""
    for number, name in enumerate(path):
        if name == "*":
            inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
            return any(_has_path(item, path[number + 1 :]) for item in inside)
        if isinstance(node, list) and name.isdigit() and int(name) < len(node):
            node = node[int(name)]
        elif isinstance(node, dict) and node.get(name) is not None:
            node = node[name]
        else:
            return False
    return True
