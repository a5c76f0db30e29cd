"""What the shell offers for a value that is half typed: names of recipes, priors, operators and classes.

Nothing here imports PyTorch, which takes seconds: names are looked up where packages state them.
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
HEADER = 2**24  # bytes of a safetensors header that are looked at


def recipes(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Return recipes and files; of a list with commas, its last."""
    names = [path.stem for path in (_package("dgp") / "recipes").glob("*/*.toml")]
    *before, last = incomplete.split(",") if parameter.name == "recipes" else [incomplete]
    return _file(last) + _beginning(last, [*names, *_offered("dgp.recipes")], ",".join([*before, ""]))


def priors(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Return priors that are there, and files."""
    names = [*_registered("generators"), *_fetched(), *_offered("dgp.generators")]
    return _file(incomplete) + _beginning(incomplete, names)


def degradations(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Return operators, or auto; of a chain, its last operator."""
    before, plus, last = incomplete.rpartition("+")
    names = [*_registered("degradations"), *_offered("dgp.degradations"), *(() if plus else ["auto"])]
    return _beginning(last, names, before + plus)


def operators(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of operators."""
    return _beginning(incomplete, [*_registered("degradations"), *_offered("dgp.degradations")])


def files(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Return that the shell shall offer its files."""
    return _file(incomplete)


def classes(context, parameter, incomplete: str) -> list[CompletionItem]:
    """Return the classes of the prior that the argument names, or a -p that comes before; none for files of others."""
    prior = context.params.get("prior") or context.params.get("name") or DEFAULT_PRIOR
    bundled = _package("generators") / "bundled" / f"{prior}-G_ema.safetensors"
    # click's scripts split values at spaces.
    names = [name for name in _classes(bundled if bundled.is_file() else Path(prior)) if " " not in name]
    return _beginning(incomplete, [*names, *({"auto", parameter.default} & {"auto", "folder"})])


def _beginning(incomplete: str, names: list[str], before: str = "") -> list[CompletionItem]:
    return [CompletionItem(before + name) for name in sorted(set(names)) if name.startswith(incomplete)]


def _file(incomplete: str) -> list[CompletionItem]:
    """Return what makes the shell offer its files as well. It comes first, as bash drops what comes before it."""
    return [CompletionItem(incomplete, type="file")]


def _package(name: str) -> Path:
    """Return the folder of a package, found without importing it."""
    return Path(importlib.util.find_spec(name).origin).parent


def _registered(package: str) -> list[str]:
    sources = (path.read_text(encoding="utf-8") for path in sorted(_package(package).rglob("*.py")))
    return [name for text in sources for name in REGISTERED.findall(text)]


def _offered(group: str) -> list[str]:
    return [entry.name for entry in entry_points(group=group)]


def _fetched() -> list[str]:
    """Return the names of what `dgp priors fetch` has got."""
    # The package would import PyTorch; this module of it needs nothing else.
    spec = importlib.util.spec_from_file_location("cache", _package("generators") / "caching" / "cache_folder.py")
    cache = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cache)
    folder = cache.cache_folder() / "priors"
    return [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _classes(weights: Path) -> list[str]:
    """Return the class names in the header of a safetensors file that dgp wrote; of other files none."""
    if weights.suffix != ".safetensors" or not weights.is_file():
        return []
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if length <= HEADER else b"{}"
    try:
        return json.loads(json.loads(header)["__metadata__"]["dgp"])["classes"]
    except (ValueError, KeyError, TypeError):
        return []
