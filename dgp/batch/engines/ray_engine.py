"""Actors of a Ray cluster, or of a cluster of one machine that lasts as long as the batch.

Restarts are Ray's: an actor whose process dies is started again, on another machine if need be, any number of times,
and the call that loads the prior waits for it (``max_restarts``, ``max_task_retries``). A unit is called once, as
``Attempts`` counts its repetitions for every engine; two counts would multiply. Each actor has one unit at a time: to
hand out the next one takes milliseconds, and no unit waits behind one that ends the process of its actor.

Pictures and results go by the file system, which all machines share. Actors end when the driver does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from dgp.batch.attempts import Attempts
from dgp.batch.engines.ray_actor import Actor
from dgp.batch.engines.table import Workers
from dgp.batch.outcome import Attempt, Outcome
from dgp.batch.worker import Work
from dgp.errors import DgpError
from dgp.runs.failures import one_line

POLL = 0.2  # seconds between two looks at signals and time limits
LOADS = 3  # processes of an actor that may die in a row while they load the prior
DIED = 1  # exit code of a unit whose process died, or that exceeded the limit
STORE = 80 * 2**20  # bytes of the object store, which holds nothing large; Ray's least is 75 MiB
CONTROL = "control"  # the concurrency group, a thread of its own, in which an actor is told to stop


def run(work: Work, attempts: Attempts, workers: Workers) -> Iterator[Outcome]:
    """Run attempts on actors; an ``Engine``."""
    following = attempts.take()
    if following is None:
        return
    with connect(workers) as ray, actors(ray, work, workers) as slots:
        told = False
        while True:
            for slot in slots:
                following = following or attempts.take()
                if following is not None and slot.is_idle and not attempts.stopping:
                    slot.begin(following)
                    following = None
            busy = [slot for slot in slots if slot.attempt is not None]
            if attempts.stopping and not told:
                told = True
                for slot in busy:
                    slot.stop()
                if following is not None:
                    yield Outcome(following, "interrupted", ran=False)
                    following = None
            if following is None and not busy:
                return  # actors that still wait for a place in the cluster are not needed
            ray.wait([slot.future for slot in slots if not slot.is_idle], timeout=POLL)
            for slot in slots:
                if (outcome := slot.poll()) is not None:
                    yield outcome


class Slot:
    """An actor that runs one attempt after the other.

    Args:
        ray: the package.
        actor: the handle of the actor.
        prior: the name of the prior, for messages.
        time_limit: seconds that an attempt may take, or None.
    """

    def __init__(self, ray: ModuleType, actor: Any, prior: str, time_limit: float | None):
        self.ray, self.actor, self.prior, self.time_limit = ray, actor, prior, time_limit
        self.attempt: Attempt | None = None
        self.begun, self.expired, self.missed = 0.0, False, 0
        self._load()

    def _load(self) -> None:
        self.future = self.actor.load.options(max_task_retries=LOADS - 1).remote()

    @property
    def is_idle(self) -> bool:
        """Whether the actor has loaded the prior and runs nothing."""
        return self.future is None

    def begin(self, attempt: Attempt) -> None:
        """Begin an attempt."""
        self.attempt, self.begun, self.expired = attempt, time.monotonic(), False
        self.future = self.actor.run.options(max_task_retries=0).remote(attempt)

    def stop(self) -> None:
        """Ask the actor to end its attempt at the next safe point."""
        self.actor.stop.options(concurrency_group=CONTROL).remote()

    def poll(self) -> Outcome | None:
        """Return the outcome of the attempt if it has ended; end one that exceeds the limit."""
        if self.is_idle:
            return None
        if not self.ray.wait([self.future], timeout=0)[0]:
            late = self.time_limit is not None and time.monotonic() - self.begun > self.time_limit
            if self.attempt is not None and late and not self.expired:
                self.expired = True
                self.ray.kill(self.actor, no_restart=False)
            return None
        if self.attempt is None:
            self._finish_loading()
            return None
        attempt, self.attempt = self.attempt, None
        try:
            found = self.ray.get(self.future)
        except self.ray.exceptions.RayTaskError:
            raise
        except self.ray.exceptions.RayError as error:
            limit = f"it took longer than the time limit of {self.time_limit} s"
            reason = limit if self.expired else f"its process died ({type(error).__name__})"
            self._load()
            return Outcome(attempt, "failed", reason=reason, exit_code=DIED, seconds=time.monotonic() - self.begun)
        self.future = None
        return found

    def _finish_loading(self) -> None:
        try:
            self.ray.get(self.future)
        except self.ray.exceptions.RayTaskError as error:
            cause = getattr(error, "cause", error)
            raise DgpError(
                f"an actor cannot load {self.prior}: {one_line(cause)}; each machine needs this dgp and the weights"
            ) from error
        except self.ray.exceptions.RayError as error:
            # Ray says so of an actor that it is starting again, and leaves the next call to us.
            self.missed += isinstance(error, self.ray.exceptions.ActorUnavailableError)
            if 0 < self.missed < LOADS:
                self._load()
                return
            raise DgpError(
                f"{LOADS} processes of an actor died in a row while they loaded {self.prior} ({type(error).__name__}); "
                "use fewer --workers, or a smaller prior"
            ) from error
        self.future, self.missed = None, 0


@contextlib.contextmanager
def actors(ray: ModuleType, work: Work, workers: Workers) -> Iterator[list[Slot]]:
    """Start actors, each with a GPU if the cluster has any, and end them after the block."""
    gpus = int(ray.cluster_resources().get("GPU", 0)) if work.settings.device != "cpu" else 0
    options = {"num_cpus": 1, "num_gpus": 1 if gpus else 0, "max_restarts": -1, "concurrency_groups": {CONTROL: 1}}
    kind, count = ray.remote(**options)(Actor), workers.count or max(1, gpus)
    slots = [Slot(ray, kind.remote(work), work.settings.prior, workers.time_limit) for _ in range(count)]
    try:
        yield slots
    finally:
        for slot in slots:
            ray.kill(slot.actor)


@contextlib.contextmanager
def connect(workers: Workers) -> Iterator[ModuleType]:
    """Connect to the cluster that is asked for, or start one on this machine, and yield the package of Ray.

    A connection that this process has already is used, and kept.

    Raises:
        DgpError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise DgpError(
            "--engine ray needs Ray, which is not installed; pip install 'deep-generative-prior[ray]', or use "
            "--engine local"
        ) from error
    # Ray prints notices on stdout, where commands print results.
    with contextlib.redirect_stdout(sys.stderr):
        if ray.is_initialized():
            yield ray
            return
        _init(ray, workers)
        try:
            yield ray
        finally:
            ray.shutdown()


def _init(ray: ModuleType, workers: Workers) -> None:
    """Call ``ray.init``, and take back SIGTERM, which it takes over."""
    address = workers.address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"address": address or "local", "log_to_driver": False, "logging_level": logging.WARNING}
    if not address:
        cores = max(workers.count or 1, os.cpu_count() or 1)
        options |= {"num_cpus": cores, "include_dashboard": False, "object_store_memory": STORE}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise DgpError(f"got no Ray cluster at the address {options['address']}: {one_line(error)}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
