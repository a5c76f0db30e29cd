"""Processes of this machine: they die, take too long, are told to stop, and run what others run already."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import degradations.core.registry as registry
from dgp.batch import attempts
from dgp.batch.engines.local import describe_exit, threads_each
from dgp.batch.worker import WorkerWatch
from dgp.errors import Interrupted
from tests.cli.conftest import TINY, call, colours  # noqa: F401  a fixture
from tests.cli.test_cli_batch import contents

ROOT = Path(__file__).resolve().parents[3]
TRAP = Path(__file__).parent / "trap.py"
OPTIONS = ("-p", "toy", "-r", TINY, "--class", "first")
LIMIT = 400  # seconds, after which a process that should have ended is taken to hang


@pytest.fixture
def forgetting(monkeypatch):
    """This process forgets the plugins afterwards that are loaded in a test."""
    for name in ("_classes", "_files"):
        monkeypatch.setattr(registry, name, dict(getattr(registry, name)))


@pytest.fixture
def trapped(forgetting):
    """The options of a batch with the plugin."""
    return ("-d", "trap-of-tests", "--plugin", str(TRAP), *OPTIONS)


@pytest.fixture
def slowed(forgetting, tmp_path):
    """The options of a run that takes several seconds, is soon saved, and is quick once the file slow is removed."""
    (tmp_path / "slow").touch()
    plugin = ("-d", "slow-of-tests", "--plugin", str(TRAP.with_name("slow.py")))
    return (*plugin, *OPTIONS, "--set", "stages.0.steps=40", "--checkpoint-every", "0.2")


def start(folder, *arguments):
    """Start `dgp batch` as a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "dgp", "batch", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def pictures(folder, widths):
    (folder / "scans").mkdir()
    for number, width in enumerate(widths):
        colours(width, seed=number).save(folder / f"scans/{number}.png")


def test_a_unit_that_ends_its_process_fails_and_the_others_are_done(call, trapped, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(attempts, "TIMES", 2)
    pictures(tmp_path, (47, 40, 41, 48))
    summary = call("batch", "scans", *trapped, "--json", code=4).json
    assert summary["done"] == 2 and summary["computed"] == 2
    for number, reason in ((1, "its process died (SIGKILL)"), (2, "its process ended itself")):
        failure = json.loads((tmp_path / f"out/{number}/failed.json").read_text())
        assert [one["reason"] for one in failure["attempts"]] == [reason] * 2
        assert {"picture": f"scans/{number}.png", "folder": f"{number}", "reason": reason} in summary["failures"]


def test_a_unit_that_takes_too_long_fails(call, trapped, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(attempts, "TIMES", 1)
    pictures(tmp_path, (42,))
    summary = call("batch", "scans", *trapped, "--json", "--time-limit", "0.5", code=4).json
    assert [failure["reason"] for failure in summary["failures"]] == ["it took longer than the time limit of 0.5 s"]


def test_two_drivers_at_once_end_with_the_same_bytes(call, tmp_path):  # noqa: F811
    pictures(tmp_path, (47, 48))
    drivers = [start(tmp_path, "scans", "-d", "gray", *OPTIONS) for _ in range(2)]
    assert [driver.wait(LIMIT) for driver in drivers] == [0, 0]
    call("restore", "scans/0.png", "scans/1.png", "-d", "gray", *OPTIONS, "-o", "single")
    assert contents(tmp_path / "single") == {
        name: sha256 for name, sha256 in contents(tmp_path / "out").items() if "/" in name
    }
    assert call("batch", "verify", "out", "--json").json == {"status": "same", "results": 2, "differences": []}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_is_ended_ends_its_workers(call, tmp_path, signum):  # noqa: F811
    pictures(tmp_path, (47,))
    steps = ("--set", "stages.0.steps=100000")
    driver = start(tmp_path, "scans", "-d", "gray", *OPTIONS, *steps)
    try:
        workers = await_true(lambda: busy_workers(driver.pid))
        driver.send_signal(signum)
        assert driver.wait(LIMIT) == (143 if signum == signal.SIGTERM else -signal.SIGKILL)
        await_true(lambda: not any(map(is_running, workers)))
    finally:
        driver.kill()
    assert not (tmp_path / "out/0/failed.json").exists()
    if signum == signal.SIGTERM:
        assert call("batch", "status", "out", "--json").json["interrupted"] == 1


def await_true(condition):
    end = time.monotonic() + LIMIT
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return value


def busy_workers(driver):
    """Children of a driver that have computed for two seconds, which is after they have loaded the prior."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if int(fields[1]) == driver and seconds > 4:
            found.append(int(stat.parent.name))
    return found


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_worker_ends_its_run_after_a_signal_or_without_a_parent(monkeypatch):
    watch = WorkerWatch()
    watch.check()
    watch.busy = True
    watch._take(signal.SIGTERM, None)
    with pytest.raises(Interrupted) as ended:
        watch.check()
    assert ended.value.exit_code == 143
    orphan = WorkerWatch()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    with pytest.raises(Interrupted):
        orphan.check()


def test_threads_are_shared_unless_the_environment_says_how_many(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert [threads_each(workers) for workers in (1, 3, 16)] == [8, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads_each(2) is None


def test_exit_codes_have_names():
    assert [describe_exit(code) for code in (-9, 3, None)] == ["SIGKILL", "exit code 3", "no exit code"]
