"""Loading recipes by name, from a TOML file, with overrides."""

from __future__ import annotations

import difflib
import os
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from degradations.files.regular import read_regular
from dgp.errors import RecipeError
from dgp.recipes.overrides import Overrides, apply_overrides, merge_tables, parse_overrides
from dgp.recipes.schema import Recipe
from dgp.recipes.toml import LONGEST, parse_toml
from dgp.recipes.unused_overrides import refuse_unused
from dgp.registry import describe_first_error
from generators.text import shorten

# Tables and keys of a recipe file that are not fields of the recipe.
DIRECTIVES = {"extends": str, "every_stage": dict, "set": dict}


def recipe_names() -> list[str]:
    """Return the names of all recipes, of this package and of installed ones, sorted."""
    return sorted([*_builtin_files()] + [entry.name for entry in entry_points(group="dgp.recipes")])


def load_recipe(recipe: str | Path | Recipe, overrides: Overrides = ()) -> Recipe:
    """Return a recipe, with overrides applied.

    Args:
        recipe: a name, a TOML file, or a Recipe.
        overrides: ``key.path=value`` texts (``--set`` on the command line), one such text, or a mapping of keys to
            values (``dgp.recipes.overrides``).

    Raises:
        RecipeError: unknown name (with the nearest), malformed file, unknown key or value, or an override that changes
            nothing of what runs.
    """
    source = recipe.name if isinstance(recipe, Recipe) else str(recipe)
    base = recipe if isinstance(recipe, Recipe) else _validate(_read_table(source), source)
    pairs = parse_overrides(overrides)
    if not pairs:
        return base
    changed = _override(base, pairs, source)
    for number, (key, _) in enumerate(pairs):
        others = [pair for place, pair in enumerate(pairs) if place != number]
        try:
            without = _override(base, others, source)
        except RecipeError:  # the others depend on this one
            continue
        refuse_unused(key, changed, without)
    return changed


def _override(base: Recipe, pairs: list[tuple[str, Any]], source: str) -> Recipe:
    return _validate(apply_overrides(base.model_dump(), pairs), source)


def _validate(table: dict, source: str) -> Recipe:
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise RecipeError(
            f"recipe {source!r}: {describe_first_error(error)}; `dgp recipes show default` prints a complete one"
        ) from None


def _builtin_files() -> dict[str, Traversable]:
    """Return the TOML files of this package by recipe name; each folder beside this file is a collection of them."""
    folders = (folder for folder in files("dgp.recipes").iterdir() if folder.is_dir())
    found = (file for folder in folders for file in folder.iterdir() if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): file for file in found}


def _read_table(name: str, seen: tuple[str, ...] = ()) -> dict:
    """Return the tables of a recipe file, with ``extends`` followed and ``[every_stage]`` merged into each stage.

    Args:
        name: name or path of the recipe.
        seen: the recipes that extend this one.
    """
    if name in seen:
        raise RecipeError(f"recipe {seen[0]!r} extends itself ({' -> '.join((*seen, name))}); drop one `extends`")
    path = Path(name)
    if path.suffix == ".toml":
        if not os.path.exists(path):
            raise RecipeError(f"no recipe file {name!r}; expected a TOML file, or one of: {', '.join(recipe_names())}")
        try:
            text = read_regular(path, LONGEST).decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RecipeError(f"recipe {name!r} cannot be read: {reason}; expected TOML in UTF-8") from None
    elif (builtin := _builtin_files().get(name)) is not None:
        text = builtin.read_text(encoding="utf-8")
    else:
        offered = [entry for entry in entry_points(group="dgp.recipes") if entry.name == name]
        if not offered:
            near = difflib.get_close_matches(name, recipe_names(), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(recipe_names())}"
            raise RecipeError(f"no recipe named {name!r}; {hint}")
        text = offered[0].load()
    try:
        table = parse_toml(text)
    except ValueError as error:
        raise RecipeError(f"recipe {name!r} is not valid TOML: {error}") from None
    base, common, settings = (_pop(table, key, kind, name) for key, kind in DIRECTIVES.items())
    if base:
        inherited = _read_table(base, (*seen, name))
        inherited.pop("otherwise", None)
        table = merge_tables(inherited, table)
    if common:
        table["stages"] = [merge_tables(common, stage) for stage in _pop(table, "stages", list, name)]
    return apply_overrides(_validate(table, name).model_dump(), settings.items()) if settings else table


def _pop(table: dict, key: str, kind: type, name: str) -> Any:
    """Remove a key from a table; return its value, empty where it is absent."""
    value = table.pop(key, kind())
    if not isinstance(value, kind):
        expected = {str: "a recipe's name", dict: "a table", list: "an array of tables"}[kind]
        raise RecipeError(f"recipe {name!r}: {key}: got {shorten(repr(value), 60)}, expected {expected}")
    return value
