"""Shell completion: names of recipes, priors, operators and classes.

Importing PyTorch would take seconds, so names are read from source files and package metadata instead.
"""

from __future__ import annotations

import importlib.util
import json
import re
from importlib.metadata import entry_points
from pathlib import Path

from click.shell_completion import CompletionItem

REGISTERED = re.compile(r'^@register\("([a-z0-9-]+)"\)$', re.MULTILINE)
DEFAULT_PRIOR = "biggan-cifar10"  # ``generators.DEFAULT``, which needs PyTorch to be imported
MAX_HEADER = 2**24  # bytes; a longer safetensors header is not read


def recipes(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a recipe, by name or file; in a list separated by commas, the last one."""
    names = [path.stem for path in (_package_folder("dgp") / "recipes").glob("*/*.toml")]
    *before, last = incomplete.split(",") if parameter.name == "recipes" else [incomplete]
    return _file_item(last) + _matches(last, [*names, *_entry_point_names("dgp.recipes")], ",".join([*before, ""]))


def priors(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an installed prior, by name or file."""
    names = [*_registered_names("generators"), *_fetched_names(), *_entry_point_names("dgp.generators")]
    return _file_item(incomplete) + _matches(incomplete, names)


def degradations(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a degradation: an operator or auto; in a chain, the last operator."""
    before, plus, last = incomplete.rpartition("+")
    names = [*_registered_names("degradations"), *_entry_point_names("dgp.degradations"), *(() if plus else ["auto"])]
    return _matches(last, names, before + plus)


def operators(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of an operator."""
    return _matches(incomplete, [*_registered_names("degradations"), *_entry_point_names("dgp.degradations")])


def files(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a file."""
    return _file_item(incomplete)


def classes(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a class of the prior given by the argument or by an earlier -p; only for files written by dgp."""
    prior = context.params.get("prior") or context.params.get("name") or DEFAULT_PRIOR
    bundled = _package_folder("generators") / "bundled" / f"{prior}-G_ema.safetensors"
    # click's completion scripts split values at spaces.
    names = [name for name in _class_names(bundled if bundled.is_file() else Path(prior)) if " " not in name]
    return _matches(incomplete, [*names, *({"auto", parameter.default} & {"auto", "folder"})])


def _matches(incomplete: str, names: list[str], before: str = "") -> list[CompletionItem]:
    """Return the names that begin with `incomplete`, each with `before` in front of it."""
    return [CompletionItem(before + name) for name in sorted(set(names)) if name.startswith(incomplete)]


def _file_item(incomplete: str) -> list[CompletionItem]:
    """Return the item that makes the shell offer files; it must come first, as bash drops the items before it."""
    return [CompletionItem(incomplete, type="file")]


def _package_folder(name: str) -> Path:
    """Return the folder of a package without importing it."""
    return Path(importlib.util.find_spec(name).origin).parent


def _registered_names(package: str) -> list[str]:
    """Return the names in the `@register("name")` decorators of a package's source files."""
    sources = (path.read_text(encoding="utf-8") for path in sorted(_package_folder(package).rglob("*.py")))
    return [name for text in sources for name in REGISTERED.findall(text)]


def _entry_point_names(group: str) -> list[str]:
    """Return the names that installed packages offer in an entry-point group."""
    return [entry.name for entry in entry_points(group=group)]


def _fetched_names() -> list[str]:
    """Return the names of the priors that `dgp priors fetch` has downloaded."""
    # Importing the package would import PyTorch; this one module does not need it.
    spec = importlib.util.spec_from_file_location(
        "cache", _package_folder("generators") / "caching" / "cache_folder.py"
    )
    cache = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cache)
    folder = cache.cache_folder() / "priors"
    return [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _class_names(weights: Path) -> list[str]:
    """Return the class names in the header of a safetensors file written by dgp; none for other files."""
    if weights.suffix != ".safetensors" or not weights.is_file():
        return []
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length <= MAX_HEADER else b"{}"
    try:
        return json.loads(json.loads(header)["__metadata__"]["dgp"])["classes"]
    except (ValueError, KeyError, TypeError):
        return []
