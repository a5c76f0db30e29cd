"""The structure of the packages: imports run one way, files and folders are small, and dgp uses public names."""

import ast
import sys
from pathlib import Path

import pytest

import degradations
import generators

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("degradations", "generators", "dgp")
LINES, FILES = 300, 15

# Rooms of each package from low to high: a module imports modules of its own room and of rooms before it.
ROOMS = {
    "degradations": "text errors constants rows files scaling noise solvers detail core masks resampling blur jpeg "
    "operators deepinv authoring conformance",
    "generators": "text errors safetensors_files progress caching nn latents base biggan stylegan checkpoints "
    "statistics prior model_zoo registry bank wrapping load convert random_init builtin downloads training",
    "dgp": "errors files checkpoint device threads memory process progress random_streams registry faces observation "
    "identify classify variables rendering losses optim engine search postprocess recipes planning output warm_start "
    "inversion api plugins runs batch evaluation cli __main__",
}


def modules(package):
    """Module name -> path."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


EVERY = {name: path for package in PACKAGES for name, path in modules(package).items()}


def imports(path):
    """(module, name or None) of every import in a file, lazy ones and those for types alone included."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [(node.module, alias.name) for alias in node.names]
    return found


def targets(path):
    """Modules of ours that a file imports."""
    named = ((module, f"{module}.{name}") for module, name in imports(path))
    found = {full if full in EVERY else module for module, full in named}
    return {name for name in found if name in EVERY}


GRAPH = {name: targets(path) - {name} for name, path in EVERY.items()}


def circles(graph):
    """Strongly connected components of more than one node, by repeated removal of nodes without successors."""
    left = {name: set(after) for name, after in graph.items()}
    while ends := [name for name, after in left.items() if not after & left.keys()]:
        for name in ends:
            del left[name]
    return sorted(left)


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_there_are_no_circles():
    assert circles(GRAPH) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_import_one_way(package):
    order = ROOMS[package].split()
    rooms = {name: name.split(".")[1] for name in modules(package) if "." in name}
    assert sorted(order) == sorted(set(rooms.values())), "every room has its place in the order"
    upwards = [
        f"{name} -> {target}"
        for name, room in rooms.items()
        for target in GRAPH[name]
        if target in rooms and order.index(rooms[target]) > order.index(room)
    ]
    assert upwards == []


def test_packages_below_know_nothing_above():
    for name, after in GRAPH.items():
        package = name.split(".")[0]
        for target in after:
            assert package == "dgp" or target.split(".")[0] == package, f"{name} imports {target}"


def test_stylegan_knows_nothing_of_biggan():
    found = [name for name, after in GRAPH.items() if ".stylegan" in name and any(".biggan" in t for t in after)]
    assert [name for name in found if name.startswith("generators.stylegan")] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_files_can_be_read_in_a_sitting(package):
    sizes = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(package).items()}
    assert {name: size for name, size in sizes.items() if size > LINES} == {}


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_folders_hold_few_files(package):
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("*.py"))) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > FILES} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_each_room_says_what_lives_there_and_how_to_add_to_it(package):
    rooms = [path for path in (ROOT / package).rglob("__init__.py") if path.parent != ROOT / package]
    for path in rooms:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert text.count("\n\n") >= 1 and "To add" in text, path


# Public modules beside the names in ``__all__``; the docstrings of the packages list them.
PUBLIC_MODULES = {
    "generators": ("bank", "caching", "downloads", "model_zoo", "progress", "safetensors_files", "text", "training"),
    "degradations": ("authoring", "conformance", "constants", "files", "jpeg"),
}


def is_public(module, name):
    """Whether ``from module import name`` takes something public of a package."""
    package, *rest = module.split(".")
    return (rest[:1] or [name])[0] in PUBLIC_MODULES[package] or not rest and name in sys.modules[package].__all__


def test_dgp_uses_public_names_of_the_packages_below():
    private = [
        f"{name}: from {module} import {imported}"
        for name, path in modules("dgp").items()
        for module, imported in imports(path)
        if module.split(".")[0] in PUBLIC_MODULES and imported is not None and not is_public(module, imported)
    ]
    assert private == []


@pytest.mark.parametrize("package", [generators, degradations], ids=lambda package: package.__name__)
def test_public_modules_are_listed(package):
    for name in PUBLIC_MODULES[package.__name__]:
        assert f"``{package.__name__}.{name}``" in package.__doc__
