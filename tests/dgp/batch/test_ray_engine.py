"""Actors of a Ray cluster: they die, take too long, are told to stop, and go on with the same bytes."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dgp.batch import attempts
from dgp.batch.engines import ray_engine
from dgp.batch.engines.ray_actor import StopWatch
from dgp.batch.engines.table import Workers
from dgp.errors import DgpError, Interrupted
from tests.cli.conftest import call  # noqa: F401  a fixture
from tests.cli.test_cli_batch import contents
from tests.dgp.batch.test_local_engine import (  # noqa: F401  some are fixtures
    LIMIT,
    OPTIONS,
    ROOT,
    await_true,
    forgetting,
    is_running,
    pictures,
    slowed,
    trapped,
)

ray = pytest.importorskip("ray", reason="left out: Ray is not installed (pip install '.[ray]')")
ON_RAY = ("--engine", "ray", "--workers", "2")


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster with room for two actors, to which this process is connected."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(ROOT))  # of the actors
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=ray_engine.STORE,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()
    patch.undo()


def find_actors(folder):
    """The processes of actors that run an attempt in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            running = path.joinpath("cmdline").read_bytes().startswith(b"ray::Actor.run")
            if running and path.joinpath("cwd").resolve() == folder.resolve():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def has_checkpoint(folder):
    return (folder / "out/0/checkpoint.safetensors").exists()


def start_driver(folder, options, cluster):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "dgp", "batch", "scans", *options, "--engine", "ray", "--ray-address", cluster]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_results_equal_single_runs(call, cluster, tmp_path):  # noqa: F811
    pictures(tmp_path, (47, 48, 49))
    (tmp_path / "scans/damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options = ("-d", "gray", *OPTIONS)
    assert "3 of 4 pictures done (3 now), 1 failed" in call("batch", "scans", *options, *ON_RAY, code=4).output
    for name in "012":
        call("restore", f"scans/{name}.png", *options, "-o", "single")
        assert contents(tmp_path / "single" / name) == contents(tmp_path / "out" / name)
    assert "3 of 4 pictures done (0 now), 1 failed" in call("batch", "scans", *options, *ON_RAY, code=4).output


def test_a_unit_that_ends_its_actor_fails_and_the_others_are_done(call, cluster, trapped, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(attempts, "TIMES", 2)
    pictures(tmp_path, (47, 40, 41, 48))
    assert "2 of 4 pictures done (2 now), 2 failed" in call("batch", "scans", *trapped, *ON_RAY, code=4).output
    for number in (1, 2):
        failure = json.loads((tmp_path / f"out/{number}/failed.json").read_text())
        assert len(failure["attempts"]) == 2
        assert all(one["reason"].startswith("its process died") for one in failure["attempts"])


def test_a_unit_that_takes_too_long_fails(call, cluster, trapped, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(attempts, "TIMES", 1)
    pictures(tmp_path, (42,))
    call("batch", "scans", *trapped, "--engine", "ray", "--time-limit", "0.5", code=4)
    failure = json.loads((tmp_path / "out/0/failed.json").read_text())
    assert failure["reason"] == "it took longer than the time limit of 0.5 s"


def test_a_run_goes_on_after_its_actor_was_killed(call, cluster, slowed, tmp_path):  # noqa: F811
    pictures(tmp_path, (47,))
    killed = []

    def kill():
        await_true(lambda: has_checkpoint(tmp_path))
        killed.extend(find_actors(tmp_path))
        (tmp_path / "slow").unlink()
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    call("batch", "scans", *slowed, "--engine", "ray")
    thread.join()
    assert len(killed) == 1
    assert json.loads((tmp_path / "out/0/result.json").read_text())["timing"]["resumes"] == 1
    call("restore", "scans/0.png", *slowed, "-o", "single")
    assert contents(tmp_path / "out/0") == contents(tmp_path / "single/0")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_is_ended_ends_its_actors_and_goes_on(call, cluster, slowed, tmp_path, signum):  # noqa: F811
    pictures(tmp_path, (47,))
    driver = start_driver(tmp_path, slowed, cluster)
    try:
        await_true(lambda: has_checkpoint(tmp_path) or driver.poll() is not None)
        actors = find_actors(tmp_path)
        driver.send_signal(signum)
        output = driver.communicate(timeout=LIMIT)
        assert driver.returncode == (143 if signum == signal.SIGTERM else -signal.SIGKILL), output
        assert actors
        await_true(lambda: not any(map(is_running, actors)))
    finally:
        driver.kill()
    assert has_checkpoint(tmp_path) and not (tmp_path / "out/0/failed.json").exists()
    (tmp_path / "slow").unlink()
    call("batch", "scans", *slowed, "--engine", "ray")
    call("restore", "scans/0.png", *slowed, "-o", "single")
    assert contents(tmp_path / "out/0") == contents(tmp_path / "single/0")


def test_an_actor_ends_its_run_when_it_is_told_to():
    watch = StopWatch()
    watch.check()
    watch.stopped = True
    with pytest.raises(Interrupted) as ended:
        watch.check()
    assert ended.value.exit_code == 143


def test_options_of_other_engines_are_refused(call, tmp_path):  # noqa: F811
    pictures(tmp_path, (47,))
    refused = call("batch", "scans", "-d", "gray", *OPTIONS, "--ray-address", "auto", code=2)
    assert "--ray-address is an option of --engine ray" in refused.stderr


def test_a_cluster_that_is_not_there_is_named(monkeypatch):
    class Ray:
        @staticmethod
        def init(address, **options):
            raise ConnectionError(f"no node at {address}")

    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(DgpError, match="got no Ray cluster at the address 192.0.2.1:6379"):
        ray_engine._init(Ray, Workers(address="192.0.2.1:6379"))
    assert signal.getsignal(signal.SIGTERM) is handler
