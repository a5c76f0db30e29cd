"""Options of the commands that run a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dgp.cli.console import collect_options

if TYPE_CHECKING:
    from dgp.batch.engines.table import Workers


@dataclass(frozen=True)
class WorkOptions:
    """The values of the options that say which processes run the units."""

    engine: str
    workers: int | None
    time_limit: float | None
    ray_address: str | None
    slurm_options: tuple[tuple[str, str], ...]
    wait: bool

    def __post_init__(self):
        for option, given, engine in (
            ("--ray-address", self.ray_address, "ray"),
            ("--slurm-option", self.slurm_options, "slurm"),
            ("--wait", self.wait, "slurm"),
        ):
            if given and self.engine != engine:
                raise click.UsageError(f"{option} is an option of --engine {engine}; the engine is {self.engine}")
        if self.engine == "slurm" and self.workers is None:
            raise click.UsageError("--engine slurm needs the number of jobs; give it with --workers N")

    def processes(self) -> Workers:
        """Return the processes that are asked for."""
        from dgp.batch.engines.table import Workers

        return Workers(self.workers, self.time_limit, self.ray_address, self.slurm_options)


def parse_slurm_options(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple:
    """Return a (name, value) pair for each "NAME=VALUE"; a click callback."""
    pairs = tuple(text.partition("=")[::2] for text in texts)
    for text, (name, value) in zip(texts, pairs, strict=True):
        if not value or not name.replace("-", "").replace("_", "").isalnum():
            raise click.BadParameter(f"got {text!r}; expected NAME=VALUE, such as partition=gpu")
    return pairs


WORK = (
    click.option(
        "--engine",
        type=click.Choice(["local", "ray", "slurm"]),
        default="local",
        help="What supplies the processes; local: this machine; ray: a Ray cluster; slurm: jobs of a SLURM array.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        show_default=False,
        help="How many processes, each with the prior in memory (default: one for each GPU; without a GPU, one); with "
        "--engine slurm, how many jobs.",
    ),
    click.option(
        "--time-limit",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        show_default=False,
        help="How long a picture may take before its process is ended; that is a failed attempt (default: any time).",
    ),
    click.option(
        "--ray-address",
        metavar="ADDRESS",
        show_default=False,
        help="The Ray cluster, as ray.init takes it, such as auto (default: RAY_ADDRESS, or one of this machine).",
    ),
    click.option(
        "--slurm-option",
        "slurm_options",
        multiple=True,
        metavar="NAME=VALUE",
        callback=parse_slurm_options,
        show_default=False,
        help="A long option of sbatch, such as partition=gpu, gpus=1 or time=240 (minutes). Repeatable.",
    ),
    click.option(
        "--wait",
        is_flag=True,
        show_default=False,
        help="With --engine slurm: wait for the end of the jobs, and tell what became of the pictures.",
    ),
)


def work_options(function: Callable) -> Callable:
    """Decorate a command with the options of its processes, which it gets as `work`, a WorkOptions."""
    return collect_options(function, WORK, "work", WorkOptions)


def parse_shard(context: click.Context, option: click.Parameter, text: str) -> tuple[int, int]:
    """Return (number, count) of "I/N"; a click callback."""
    parts = text.split("/")
    if len(parts) == 2 and all(part.isdecimal() and len(part) < 10 for part in parts):
        number, count = map(int, parts)
        if 1 <= number <= count:
            return number, count
    raise click.BadParameter(f"got {text!r}; expected I/N with I from 1 to N, such as 2/8")
