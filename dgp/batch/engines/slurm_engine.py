"""A job array of SLURM, submitted by submitit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dgp.batch.drive import select_shard
from dgp.batch.engines.table import Workers
from dgp.batch.unit import Unit
from dgp.batch.worker import Work
from dgp.errors import DgpError, InputError
from dgp.runs.failures import one_line

if TYPE_CHECKING:
    from submitit import Executor, Job

FOLDER = ".slurm"  # in the output folder: scripts, pickles and what the jobs print
DEFAULTS: dict[str, Any] = {"job_name": "dgp", "time": 240}
NUMBERS = ("time", "signal_delay_s", "array_parallelism")
LINES = ("setup", "teardown", "srun_args")  # each value is one more
REQUEUES = 1000  # times that a job may reach its time limit; its units go on each time


@dataclass(frozen=True)
class Array:
    """Jobs that SLURM has taken; ``Submitted``."""

    ids: tuple[str, ...]
    logs: Path
    jobs: Sequence[Job]

    def wait(self) -> None:
        """Return when the last job has ended."""
        for job in self.jobs:
            job.wait()


def submit(units: tuple[Unit, ...], work: Work, workers: Workers) -> Array:
    """Submit an array of as many jobs as there are workers, each with a shard of the units; a ``Submit``.

    Raises:
        InputError: the number of jobs is not given, or an option cannot be used.
        DgpError: submitit or SLURM is missing, or refuses the array.
    """
    if workers.count is None:
        raise InputError("got no number of jobs; give it with --workers N")
    check_submitit()
    from submitit.core.utils import FailedSubmissionError

    from dgp.batch.engines.slurm_job import ShardJob

    count = min(workers.count, len(units))
    folder = Path(work.output) / FOLDER
    # Jobs execute what lies here: no one else may write.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        executor = make_executor(folder, workers.options)
        with executor.batch():
            jobs = [
                executor.submit(ShardJob(select_shard(units, number, count), work, workers.time_limit))
                for number in range(1, count + 1)
            ]
    except (RuntimeError, FailedSubmissionError, OSError) as error:
        raise DgpError(f"SLURM does not take the jobs: {one_line(error)}") from error
    return Array(tuple(job.job_id for job in jobs), folder, jobs)


def check_submitit() -> None:
    """Raise DgpError if submitit is not installed."""
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise DgpError(
            "--engine slurm needs submitit, which is not installed; pip install 'deep-generative-prior[slurm]', or use "
            "--shard in a script of your own"
        ) from error


def make_executor(folder: Path, options: Sequence[tuple[str, str]]) -> Executor:
    """Return an executor that submits to SLURM.

    Raises:
        RuntimeError: this machine cannot submit.
    """
    from submitit.slurm.slurm import SlurmExecutor

    executor = SlurmExecutor(folder, max_num_timeout=REQUEUES)
    executor.update_parameters(**make_parameters(options))
    return executor


def make_parameters(options: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the parameters of submitit that (name, value) pairs ask for.

    Names are long options of sbatch, which sees to them, and a few of submitit's own: ``time`` in minutes,
    ``signal_delay_s``, ``array_parallelism``, and the lines ``setup``, ``teardown`` and ``srun_args``.

    Raises:
        InputError: a number is expected.
    """
    found, sbatch = dict(DEFAULTS), {}
    for name, value in options:
        key = name.replace("-", "_")
        if key in LINES:
            found.setdefault(key, []).append(value)
        elif key not in NUMBERS:
            sbatch[key] = True if value == "true" else value
        elif value.isdecimal():
            found[key] = int(value)
        else:
            raise InputError(f"--slurm-option {name}: got {value!r}, expected a whole number")
    if (cores := sbatch.get("cpus_per_task")) is not None:  # which srun does not take over from sbatch
        found.setdefault("srun_args", []).append(f"--cpus-per-task={cores}")
    return found | {"additional_parameters": sbatch}
