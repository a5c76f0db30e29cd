"""The part of `dgp batch run` that hands the pictures to a scheduler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from dgp.cli.batch.console import print_failures
from dgp.cli.console import Console, printable_text
from dgp.cli.failures import SOME_FAILED
from dgp.errors import DgpError

if TYPE_CHECKING:
    from dgp.batch.batch_files import Batch
    from dgp.batch.engines.table import Submit, Submitted, Workers
    from dgp.batch.unit import Unit
    from dgp.batch.worker import Work


def submit_units(
    batch: Batch, units: tuple[Unit, ...], work: Work, submit: Submit, workers: Workers, wait: bool, console: Console
) -> None:
    """Submit units, print the ids of the jobs, and, with ``wait``, wait for their end and print what they did.

    Raises:
        DgpError: the scheduler does not take the jobs, or they have ended with pictures neither done nor failed.
    """
    if not units:
        console.print_json({"status": "submitted", "output": str(batch.output), "units": 0, "jobs": []})
        console.print("no pictures to run")
        return
    jobs = submit(units, work, workers)
    _print_jobs(jobs, batch, len(units), console, as_json=not wait)
    if wait:
        jobs.wait()
        _print_end(replace(batch, units=units), jobs, console)


def _print_jobs(jobs: Submitted, batch: Batch, units: int, console: Console, as_json: bool) -> None:
    if as_json:
        found = {"status": "submitted", "output": str(batch.output), "units": units, "jobs": list(jobs.ids)}
        console.print_json(found | {"logs": str(jobs.logs)})
    shown = ", ".join(jobs.ids[:3]) + (", ..." if len(jobs.ids) > 3 else "")
    console.print(printable_text(f"{units} pictures in {len(jobs.ids)} jobs: {shown}; they print into {jobs.logs}"))
    console.print(printable_text(f"`dgp batch status {batch.output}` shows how far they are"))


def _print_end(batch: Batch, jobs: Submitted, console: Console) -> None:
    from dgp.batch.report import STATES, summarize

    found = summarize(batch)
    open_units = found["interrupted"] + found["missing"]
    if open_units:
        raise DgpError(
            f"the jobs have ended, and {open_units} of {found['units']} pictures are not done; {jobs.logs} holds what "
            "the jobs printed; the same command goes on"
        )
    console.print_json({"status": "some failed" if found["failures"] else "done", "jobs": list(jobs.ids)} | found)
    print_failures(found["failures"], console)
    console.print(", ".join(f"{found[state]} {state}" for state in STATES))
    if found["failures"]:
        click.get_current_context().exit(SOME_FAILED)
