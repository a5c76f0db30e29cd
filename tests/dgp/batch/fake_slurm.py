"""Stand-ins for the commands of SLURM: they keep the script of an array, whose tasks a test starts itself."""

import os
import signal
import subprocess
from pathlib import Path

JOB = "77"
COMMANDS = {
    "sbatch": 'cp "$1" "$FAKE_SLURM/submission.sh"; echo "Submitted batch job 77"',
    "srun": 'while [ "${1#-}" != "$1" ]; do case "$1" in --output|--error) shift;; esac; shift; done; exec "$@"',
    "scontrol": 'echo "$@" >> "$FAKE_SLURM/scontrol.txt"',
    "sacct": "echo JobID,State",
}


def install(folder: Path, monkeypatch) -> None:
    """Put the commands into a folder, and the folder into the path of this process."""
    folder.mkdir()
    for name, line in COMMANDS.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(folder))


def start_task(folder: Path, cwd: Path, number: int | None = None) -> subprocess.Popen:
    """Start the job that was submitted last, or a task of an array, in a session of its own."""
    environment = os.environ | {"SLURM_JOB_ID": JOB}
    if number is not None:
        environment |= {"SLURM_ARRAY_JOB_ID": JOB, "SLURM_ARRAY_TASK_ID": str(number)}
    with open(folder / f"task-{number}.txt", "ab") as printed:
        return subprocess.Popen(
            ["sh", folder / "submission.sh"],
            cwd=cwd,
            env=environment,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )


def send(task: subprocess.Popen, signum: signal.Signals) -> None:
    """Send a signal to the processes of a task that Python runs, as SLURM does; the shell of the script gets none."""
    for process in _descendants(task.pid):
        os.kill(process, signum)


def _descendants(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            child = int(path.parent.name)
            found += [child, *_descendants(child)]
    return found
