"""Jobs of a SLURM array: submitit runs them on this machine, or stand-ins for SLURM's commands do."""

import json
import os
import signal

import pytest

from dgp.batch.engines.slurm_engine import make_parameters
from dgp.errors import InputError
from tests.cli.conftest import call  # noqa: F401  a fixture
from tests.cli.test_cli_batch import contents
from tests.dgp.batch import fake_slurm
from tests.dgp.batch.test_local_engine import (  # noqa: F401  some are fixtures
    LIMIT,
    OPTIONS,
    ROOT,
    await_true,
    forgetting,
    pictures,
    slowed,
)

submitit = pytest.importorskip("submitit", reason="left out: submitit is not installed (pip install '.[slurm]')")
ON_SLURM = ("--engine", "slurm", "--workers", "2")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The folder of the stand-ins for SLURM's commands."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    fake_slurm.install(tmp_path / "slurm", monkeypatch)
    return tmp_path / "slurm"


@pytest.mark.parametrize("executor", [submitit.LocalExecutor, submitit.DebugExecutor], ids=["processes", "here"])
def test_jobs_do_what_single_runs_do(call, tmp_path, monkeypatch, executor):  # noqa: F811
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr("dgp.batch.engines.slurm_engine.make_executor", lambda folder, options: executor(folder))
    pictures(tmp_path, (47, 48))
    (tmp_path / "scans/damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    options = ("-d", "gray", *OPTIONS)
    summary = call("batch", "scans", *options, *ON_SLURM, "--wait", "--json", code=4).json
    assert (summary["done"], summary["failed"], len(summary["jobs"])) == (2, 1, 2)
    for name in "01":
        call("restore", f"scans/{name}.png", *options, "-o", "single")
        assert contents(tmp_path / "single" / name) == contents(tmp_path / "out" / name)
    assert (tmp_path / "out/.slurm").stat().st_mode & 0o777 == 0o700


def test_an_announced_end_leaves_a_checkpoint_and_the_job_goes_on(call, slurm, slowed, tmp_path):  # noqa: F811
    pictures(tmp_path, (47, 48))
    asked = ("--slurm-option", "partition=short", "--slurm-option", "cpus-per-task=1", "--json")
    assert call("batch", "scans", *slowed, *ON_SLURM, *asked).json["jobs"] == ["77_0", "77_1"]
    script = (slurm / "submission.sh").read_text()
    for line in ("--array=0-1%2", "--time=240", "--signal=USR2@90", "--partition=short", "--job-name=dgp"):
        assert f"#SBATCH {line}" in script
    task = fake_slurm.start_task(slurm, tmp_path, 0)
    await_true((tmp_path / "out/0/checkpoint.safetensors").exists)
    fake_slurm.send(task, signal.SIGUSR2)
    task.wait(LIMIT)
    assert (slurm / "scontrol.txt").read_text() == "requeue 77_0\n"
    assert "scans/0.png: interrupted" in (printed := (slurm / "task-0.txt").read_text()), printed
    (tmp_path / "slow").unlink()
    assert fake_slurm.start_task(slurm, tmp_path, 0).wait(LIMIT) == 0
    assert json.loads((tmp_path / "out/0/result.json").read_text())["timing"]["resumes"] == 1
    call("restore", "scans/0.png", *slowed, "-o", "single")
    assert contents(tmp_path / "single/0") == contents(tmp_path / "out/0")


def test_a_job_waits_after_sigterm_for_an_announcement(call, slurm, slowed, tmp_path):  # noqa: F811
    pictures(tmp_path, (47,))
    assert call("batch", "scans", *slowed, *ON_SLURM, "--json").json["jobs"] == ["77"]
    task = fake_slurm.start_task(slurm, tmp_path)
    await_true((tmp_path / "out/0/checkpoint.safetensors").exists)
    fake_slurm.send(task, signal.SIGTERM)
    await_true(lambda: "scans/0.png: interrupted" in (slurm / "task-None.txt").read_text())
    assert task.poll() is None and not (slurm / "scontrol.txt").exists()
    fake_slurm.send(task, signal.SIGUSR2)
    task.wait(LIMIT)
    assert (slurm / "scontrol.txt").read_text() == "requeue 77\n"
    assert call("batch", "status", "out", "--json").json["interrupted"] == 1


def test_jobs_that_end_early_are_reported(call, slurm, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("submitit.slurm.slurm.SlurmJob.wait", lambda job: None)
    pictures(tmp_path, (47,))
    ended = call("batch", "scans", "-d", "gray", *OPTIONS, *ON_SLURM, "--wait", code=1)
    assert "the jobs have ended, and 1 of 1 pictures are not done" in ended.stderr


def test_without_slurm_a_line_says_so(call, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("PATH", os.devnull)
    pictures(tmp_path, (47,))
    refused = call("batch", "scans", "-d", "gray", *OPTIONS, *ON_SLURM, code=1)
    assert "SLURM does not take the jobs" in refused.stderr
    assert "--workers N" in call("batch", "scans", "-d", "gray", *OPTIONS, "--engine", "slurm", code=2).stderr


def test_options_reach_sbatch():
    pairs = (
        ("time", "60"),
        ("gpus", "1"),
        ("cpus-per-task", "4"),
        ("setup", "a"),
        ("setup", "b"),
        ("exclusive", "true"),
    )
    assert make_parameters(pairs) == {
        "job_name": "dgp",
        "time": 60,
        "setup": ["a", "b"],
        "srun_args": ["--cpus-per-task=4"],
        "additional_parameters": {"gpus": "1", "cpus_per_task": "4", "exclusive": True},
    }
    with pytest.raises(InputError, match="expected a whole number"):
        make_parameters((("time", "1:00:00"),))
