"""What a process of the local engine runs; importing this is quick, as the process sets its GPU before PyTorch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dgp.batch.outcome import Attempt, Outcome
from dgp.batch.worker import Work, Worker, WorkerWatch

_workers: list[Worker] = []  # the one of this process


@dataclass(frozen=True)
class Place:
    """Where a process computes.

    Attributes:
        gpu: the GPU, as CUDA_VISIBLE_DEVICES names it; None: as the environment says.
        threads: CPU threads; None: as the environment says.
    """

    gpu: str | None = None
    threads: int | None = None


def load(work: Work, place: Place) -> int:
    """Load the prior, and return the number of this process; the first task of each process."""
    if place.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = place.gpu
    from dgp.memory import keep_freed_memory
    from dgp.threads import import_torch

    watch = WorkerWatch()
    watch.install()
    keep_freed_memory()
    import_torch()
    if place.threads is not None:
        import torch

        torch.set_num_threads(place.threads)
    _workers[:] = [Worker(work, watch)]
    return os.getpid()


def run_attempt(attempt: Attempt) -> Outcome:
    """Run an attempt on the prior of this process."""
    worker = _workers[0]
    worker.watch.busy = True
    try:
        return worker.run(attempt)
    finally:
        worker.watch.busy = False
