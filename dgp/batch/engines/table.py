"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from dgp.batch.attempts import Attempts
from dgp.batch.outcome import Outcome
from dgp.batch.unit import Unit
from dgp.batch.worker import Work


@dataclass(frozen=True)
class Workers:
    """The processes that an engine supplies.

    Attributes:
        count: how many; None: one for each GPU, or one where there is none.
        time_limit: seconds that an attempt may take; None: any.
        address: of the cluster; None: the one that the environment names, or none.
        options: what a scheduler is asked for, as pairs of one of its own options and a value.
    """

    count: int | None = None
    time_limit: float | None = None
    address: str | None = None
    options: tuple[tuple[str, str], ...] = ()


# Yields the outcome of each attempt as it ends. It takes attempts by ``Attempts.take``, runs each by ``worker.Worker``
# in a process that has loaded the prior once, and ends when there is none left and none is running: the caller may put
# an attempt back while it handles an outcome. When ``Attempts.stopping`` is set, it sends SIGTERM to its processes and
# waits for the attempts that they run. A process that dies, and one that exceeds the limit, is a failed attempt.
# What is wrong with the call itself (weights that cannot be loaded) is raised.
Engine = Callable[[Work, Attempts, Workers], Iterator[Outcome]]

# name -> module with a function `run`, an Engine
ENGINES = {"local": "dgp.batch.engines.local", "ray": "dgp.batch.engines.ray_engine"}


class Submitted(Protocol):
    """Jobs that a scheduler has taken.

    Attributes:
        ids: their ids.
        logs: the folder of what they print.
    """

    ids: tuple[str, ...]
    logs: Path

    def wait(self) -> None:
        """Return when the last job has ended."""


# Hands the units, in shards, to a scheduler that runs them without this process: each job runs its shard as the
# command does on one machine.
Submit = Callable[[tuple[Unit, ...], Work, Workers], Submitted]

SCHEDULERS = {"slurm": "dgp.batch.engines.slurm_engine"}  # name -> module with a function `submit`, a Submit


def find_engine(name: str) -> Engine:
    """Return the engine of a name in ``ENGINES``."""
    return import_module(ENGINES[name]).run


def find_scheduler(name: str) -> Submit | None:
    """Return the function that submits to the scheduler of a name in ``SCHEDULERS``; None for an engine."""
    return import_module(SCHEDULERS[name]).submit if name in SCHEDULERS else None
