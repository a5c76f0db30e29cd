"""Full disks, inputs that vanish, clocks that jump, two processes at once: the same bytes, or one clear line."""

import errno
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dgp.runs.runner import Runner

from .conftest import colours


def contents(folder):
    """The bytes of all files of a run, result.json without times and the call."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    record = json.loads(found.pop("result.json"))
    assert not [name for name in found if name.startswith(".") or "checkpoint" in name]
    return found | {"result.json": {name: record[name] for name in ("status", "files", "scores", "unit")}}


@pytest.fixture
def command(toy):
    return ("restore", "photo.png", "-d", "gray", "--class", "second", *toy)


@pytest.fixture
def expected(call, command, photo):
    call(*command, "-o", "alone")
    return contents("alone/photo")


def lines(result):
    return [line for line in result.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("at", [0, 1, 4, 9, 13])
def test_a_disk_that_is_full_at_any_file(call, command, expected, monkeypatch, at):
    """Every file and its folder are flushed in turn; each such call is a moment at which the disk can be full."""
    flush, calls = os.fsync, itertools.count()

    def no_space(descriptor):
        if next(calls) >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        failed = call(*command, code=2)
    (line,) = lines(failed)
    assert "cannot write" in line and "No space left on device" in line
    assert not Path("out/photo/result.json").exists() and not list(Path("out").rglob(".*"))
    call(*command)
    assert contents("out/photo") == expected


def test_a_checkpoint_that_does_not_fit_ends_no_run(call, command, expected, monkeypatch):
    flush = os.fsync

    def no_space(descriptor):
        if "checkpoint.safetensors" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("left out: asks Linux for the name of an open file")
    monkeypatch.setattr(os, "fsync", no_space)
    told = call(*command, "--checkpoint-every", "0.000001").stderr
    assert "no checkpoint was written" in told and contents("out/photo") == expected


def test_a_limit_on_the_size_of_files(call, command, expected, tmp_path):
    """A true fault: the system refuses what exceeds one kibibyte."""
    pytest.importorskip("resource", reason="left out: limits of processes are of POSIX")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))"
    script = f"import sys; {limit}; from dgp.cli.main import main; sys.argv[0] = 'dgp'; main()"
    failed = run_python("-c", script, *command, folder=tmp_path)
    assert failed.wait() == 2
    (line,) = failed.stderr.read().splitlines()[-1:]
    assert "cannot write out/photo/restored.png: File too large" in line
    assert not Path("out/photo/result.json").exists()
    call(*command)
    assert contents("out/photo") == expected


def test_a_folder_that_cannot_be_written(call, command, photo, monkeypatch):
    def read_only(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", read_only)
        (line,) = lines(call(*command, code=2))
    assert "cannot write into out: Read-only file system" in line
    Path("out").mkdir()
    Path("out/photo").write_text("not a folder")
    (line,) = lines(call(*command, code=2))
    assert "out/photo is a file" in line and Path("out/photo").read_text() == "not a folder"


CHANGES = {
    "vanishes": (Path.unlink, "no such file"),
    "is replaced": (lambda path: colours(seed=9).save(path), "was changed while it was waiting"),
    "is cut off": (lambda path: path.write_bytes(path.read_bytes()[:90]), "photo.png"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("several", [False, True])
def test_an_input_that_changes_between_check_and_run(call, command, photo, monkeypatch, several, change):
    colours(seed=1).save("other.png")
    spoil, message = CHANGES[change]
    run = Runner.run

    def run_late(runner, job, *arguments):
        if job.path.name == "photo.png":
            spoil(photo)
        return run(runner, job, *arguments)

    monkeypatch.setattr(Runner, "run", run_late)
    failed = call(*command, *(["other.png"] if several else []), code=4 if several else 2)
    (line,) = lines(failed)
    assert message in line and not Path("out/photo/result.json").exists()
    assert Path("out/other/result.json").exists() == several


def test_a_clock_that_jumps(call, command, expected, monkeypatch):
    clock, jumps = time.time, itertools.cycle([0, 3e8, -3e8, 7200, -7200])
    monkeypatch.setattr(time, "time", lambda: clock() + next(jumps))
    call(*command, "--checkpoint-every", "0.000001", "--log-file", "log.jsonl")
    assert contents("out/photo") == expected
    timing = json.loads(Path("out/photo/result.json").read_text())["timing"]
    assert all(value >= 0 for name, value in timing.items() if name.endswith("_s") and not isinstance(value, list))


def test_nothing_reads_the_time_of_day():
    """Intervals are measured by clocks that do not jump; only records of logs say what time it is."""
    root = Path(__file__).parents[2]
    used = [
        str(path.relative_to(root))
        for package in ("dgp", "degradations", "generators")
        for path in (root / package).rglob("*.py")
        if "time.time(" in path.read_text(encoding="utf-8") or "st_mtime)" in path.read_text(encoding="utf-8")
    ]
    assert used == []


def run_python(*arguments, folder):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_on_one_picture(command, expected, tmp_path):
    both = [run_python("-m", "dgp", *command, folder=tmp_path) for _ in range(2)]
    for process in both:
        _, told = process.communicate()
        assert process.returncode == 0, told
    assert contents("out/photo") == expected


def test_a_result_of_the_same_bytes_is_left_alone(call, command, expected):
    import dgp
    from dgp.recipes.load import load_recipe

    prior = dgp.load_prior("toy")
    result = dgp.restore("photo.png", "gray", prior, recipe=load_recipe(command[-1]), label="second", progress=False)
    folder = Path("library")
    result.save(folder)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()}
    result.save(folder)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.iterdir()} == before
    (folder / "restored.png").unlink()
    result.save(folder)
    assert (folder / "restored.png").exists()
