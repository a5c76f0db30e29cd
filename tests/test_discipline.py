"""What the source may not do, so that data from elsewhere never becomes code: found in the syntax of every module."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for package in ("degradations", "generators", "dgp") for path in sorted((ROOT / package).rglob("*.py"))]
# Calls -> the files that may make them, with the reason.
CALLS = {
    "eval": set(),
    "exec": {"degradations/core/registry.py"},  # a plugin, which its user names as code
    "compile": {"degradations/core/registry.py"},
    "__import__": set(),
    "os.system": set(),
    "os.popen": set(),
    "pickle.load": set(),
    "pickle.loads": set(),
    "pickle.Unpickler": set(),
    "marshal.loads": set(),
    "shelve.open": set(),
    "yaml.load": set(),
    "subprocess.Popen": set(),
    "subprocess.call": set(),
    "subprocess.run": {"generators/downloads/package_index.py"},  # pip, when a download is asked for
    "ElementTree.parse": set(),
    "ElementTree.fromstring": set(),
}


def calls(path):
    """(name of what is called, its keyword arguments) of every call in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


EVERY = [(path.relative_to(ROOT).as_posix(), name, words) for path in SOURCES for name, words in calls(path)]


@pytest.mark.parametrize("name", CALLS)
def test_nothing_executes_data(name):
    assert {path for path, called, _ in EVERY if called == name} <= CALLS[name]


def test_torch_reads_tensors_only():
    found = [(path, words) for path, called, words in EVERY if called == "torch.load"]
    assert found and all(words.get("weights_only") == "True" for _, words in found), found


def test_numpy_reads_no_objects():
    assert all(words.get("allow_pickle") == "False" for _, called, words in EVERY if called.endswith(".read_array"))
    assert not [path for path, called, _ in EVERY if called in ("np.load", "numpy.load")]


def test_no_shell():
    assert not [path for path, _, words in EVERY if "shell" in words]


def test_pictures_of_others_are_opened_by_one_reader():
    """Others open what this program has encoded itself, or name the formats."""
    own = {"degradations/jpeg/jpeg.py", "dgp/identify/pictures/storage.py"}
    found = {path for path, called, words in EVERY if called == "Image.open" and "formats" not in words}
    assert found <= own
