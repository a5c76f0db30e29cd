"""Plugin files of a call: Python files that register degradations, priors, terms, searches and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from degradations import Degradation


def load_plugins(files: Sequence[str]) -> tuple[dict, ...]:
    """Execute plugin files.

    Returns:
        An entry for result.json for each: "path", "sha256", and "names", the degradations that it registered (none
        where it registered other kinds alone).

    Raises:
        degradations.PluginError: a file cannot be used.
    """
    if not files:
        return ()
    import degradations
    import generators
    from dgp.plugins import REGISTRIES
    from generators.progress import waiting

    def registered() -> list[str]:
        kinds = [f"{registry.noun} {kind}" for registry in REGISTRIES for kind in registry.registered()]
        return kinds + [f"prior {name}" for name in generators.names()]

    with waiting("running the plugins"):
        loaded = [(path, *degradations.load_plugin(path, registered)) for path in files]
    return tuple({"path": path, "names": list(names), "sha256": sha256} for path, names, sha256 in loaded)


def record_plugins(degradation: Degradation, plugins: Sequence[dict]) -> Degradation:
    """Add the file of each plugin operator to its assets, which results record; return the degradation."""
    for link in degradation.operators():
        for plugin in plugins:
            if link.name in plugin["names"]:
                link.assets["plugin"] = {"sha256": plugin["sha256"], "path": plugin["path"]}
    return degradation
