"""Memory that is kept: only with the GNU C library, and only where the user has set nothing."""

import platform
import subprocess
import sys

import pytest

CODE = "from dgp.memory import keep_freed_memory; print(keep_freed_memory())"


def run(**environment):
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_is_kept_in_a_process_of_its_own(monkeypatch):
    path = {"PYTHONPATH": ":".join(sys.path)}
    assert run(**path) == "True"
    assert run(**path, MALLOC_ARENA_MAX="2") == "False"


def test_another_c_library_is_left_alone(monkeypatch):
    from dgp import memory

    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False
