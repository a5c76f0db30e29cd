"""Processes of this machine.

Each worker is a pool of one process (pebble's ``ProcessPool``), which sees to time limits and to processes that die;
a pool whose process died is replaced, as locks that it held are never released.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool

from pebble import ProcessExpired, ProcessPool

from dgp.batch.attempts import Attempts
from dgp.batch.engines.local_process import Place, load, run_attempt
from dgp.batch.engines.table import Workers
from dgp.batch.outcome import Attempt, Outcome
from dgp.batch.worker import Work
from dgp.errors import DgpError
from dgp.files import is_alive

POLL = 0.2  # seconds between two looks at signals
LOSSES = 3  # processes that may die in a row before they have loaded the prior
DIED = 1  # exit code of a unit whose process died, or that exceeded the limit


def run(work: Work, attempts: Attempts, workers: Workers) -> Iterator[Outcome]:
    """Run attempts on processes of this machine; an ``Engine``."""
    gpus = list_gpus() if work.settings.device != "cpu" else []
    count = workers.count or max(1, len(gpus))
    slots = [
        Slot(work, Place(gpus[number % len(gpus)] if gpus else None, threads_each(count)), workers.time_limit)
        for number in range(count)
    ]
    told = False
    try:
        while True:
            for slot in slots:
                if slot.attempt is None and (attempt := attempts.take()) is not None:
                    slot.begin(attempt)
            busy = [slot for slot in slots if slot.attempt is not None]
            if not busy:
                return
            if attempts.stopping and not told:
                told = True
                yield from [outcome for slot in busy if (outcome := slot.interrupt()) is not None]
                continue
            wait([slot.future for slot in busy], timeout=POLL, return_when=FIRST_COMPLETED)
            for slot in busy:
                if (outcome := slot.poll()) is not None:
                    yield outcome
    finally:
        for slot in slots:
            slot.close()


class Slot:
    """A process that runs one attempt after the other, and its successors.

    Args:
        work, place: for the process.
        time_limit: seconds that an attempt may take, or None.
    """

    def __init__(self, work: Work, place: Place, time_limit: float | None):
        self.work, self.place, self.time_limit = work, place, time_limit
        self.attempt: Attempt | None = None
        self.pool: ProcessPool | None = None
        self.pid, self.lost, self.missing, self.stopped = 0, 0, False, False

    def begin(self, attempt: Attempt) -> None:
        """Begin an attempt, in a new process if there is none."""
        self.attempt, self.missing = attempt, False
        if self.pool is not None and self.pool.active:
            self._run()
            return
        self.close()
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPool(max_workers=1, context=context)
        self.future = self.pool.schedule(load, (self.work, self.place))

    def _run(self) -> None:
        self.future = self.pool.schedule(run_attempt, (self.attempt,), timeout=self.time_limit)

    def interrupt(self) -> Outcome | None:
        """Ask the process to end its attempt at the next safe point; end one that has not begun at once."""
        self.stopped = True
        if self.pid:
            if is_alive(self.pid):
                os.kill(self.pid, signal.SIGTERM)
            return None
        attempt, self.attempt = self.attempt, None
        self.close()
        return Outcome(attempt, "interrupted", ran=False)

    def poll(self) -> Outcome | None:
        """Return the outcome of the attempt if it has ended."""
        if not self.future.done():
            # The pool does not report a process that ends itself without an error.
            gone = self.pid and not is_alive(self.pid)
            ended, self.missing = gone and self.missing, gone
            return self._fail("its process ended itself") if ended else None
        try:
            found = self.future.result()
        except TimeoutError:
            return self._fail(f"it took longer than the time limit of {self.time_limit:g} s")
        except (ProcessExpired, BrokenProcessPool) as error:
            code = getattr(error, "exitcode", None)
            if self.pid:
                return self._fail(f"its process died ({describe_exit(code)})")
            return self._load_again(describe_exit(code))
        if self.pid:
            self.attempt = None
            return found
        self.pid, self.lost = found, 0
        self._run()
        return None

    def _load_again(self, why: str) -> None:
        self.lost += 1
        if self.lost == LOSSES:
            raise DgpError(
                f"{LOSSES} processes died in a row while they loaded {self.work.settings.prior} ({why}); use fewer "
                "--workers, or a smaller prior"
            )
        self.close()
        self.begin(self.attempt)

    def _fail(self, reason: str) -> Outcome:
        attempt, self.attempt = self.attempt, None
        self.close()
        if self.stopped:  # it was asked to end
            return Outcome(attempt, "interrupted", reason=reason)
        return Outcome(attempt, "failed", reason=reason, exit_code=DIED)

    def close(self) -> None:
        """End the process."""
        if self.pool is not None:
            self.pool.stop()
            self.pool.join()
        self.pool, self.pid = None, 0


def list_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; CUDA is not started."""
    import torch

    from dgp.device import default_device

    if default_device() != "cuda":
        return []
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    return [str(number) for number in range(torch.cuda.device_count())]


def threads_each(workers: int) -> int | None:
    """Return how many threads each worker uses; None: as the environment sets it."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)


def describe_exit(code: int | None) -> str:
    """Return the name of the signal that ended a process, or its exit code."""
    if code is None:
        return "no exit code"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
