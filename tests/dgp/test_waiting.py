"""PyTorch is loaded so that its threads sleep while they wait, unless the user has said otherwise."""

import importlib.abc
import importlib.machinery
import os
import subprocess
import sys

import pytest

from dgp.threads import SETTINGS, import_torch


class Loading(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for PyTorch, and notes the environment that it is loaded in."""

    def __init__(self):
        self.seen = []

    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "torch" else None

    def exec_module(self, module):
        self.seen.append({name: os.environ[name] for name in SETTINGS if name in os.environ})
        module.get_num_threads = lambda: 2


@pytest.fixture
def loading(monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "torch")
    finder = Loading()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    return finder


def test_threads_are_told_to_sleep_and_the_environment_is_left_as_it_was(loading):
    before = dict(os.environ)
    import_torch()
    assert loading.seen == [{"OMP_WAIT_POLICY": "PASSIVE"}] and dict(os.environ) == before
    import_torch()
    assert len(loading.seen) == 1, "it is loaded already"


@pytest.mark.parametrize("name", SETTINGS)
def test_what_the_user_has_set_stays(loading, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    import_torch()
    assert loading.seen == [] and os.environ[name] == "1"


def test_the_environment_is_left_as_it_was_where_loading_fails(loading, monkeypatch):
    def fails(module):
        raise ImportError("no such library")

    monkeypatch.setattr(loading, "exec_module", fails)
    before = dict(os.environ)
    with pytest.raises(ImportError):
        import_torch()
    assert dict(os.environ) == before


def displayed(code):
    """What GCC's OpenMP library says of itself when it is loaded, and what the code prints."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=kept | {"OMP_DISPLAY_ENV": "TRUE"},
    )
    if "OMP_WAIT_POLICY" not in ran.stderr:
        pytest.skip("left out: this PyTorch's OpenMP library does not say how its threads wait")
    return ran.stderr, ran.stdout


def test_the_first_use_of_the_library_loads_it_so():
    said, printed = displayed("import os, dgp; dgp.InputError; print('OMP_WAIT_POLICY' in os.environ)")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in said and printed.split() == ["False"]
