"""`dgp batch run` and `dgp batch retry`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dgp.cli import complete
from dgp.cli.batch.console import printing_log
from dgp.cli.batch.options import WorkOptions, parse_shard, work_options
from dgp.cli.batch.submit import submit_units
from dgp.cli.console import Console, console_options, printable_text
from dgp.cli.failures import SOME_FAILED
from dgp.cli.options import RunOptions, degradation_option, run_options
from dgp.cli.plugins import plugin_option
from dgp.cli.run import print_notes

if TYPE_CHECKING:
    from dgp.batch.batch_files import Batch
    from dgp.batch.drive import Tally
    from dgp.batch.unit import Unit


@click.command(
    epilog="""\b
Examples:
  dgp batch run scans/ -d gray -o out --workers 2
  dgp batch run 'scans/**/*.jpg' -d sr:4 -o out --time-limit 600
  dgp batch run @pictures.txt -d auto -o out --json
  dgp batch run --manifest pictures.jsonl -o out
  dgp batch run scans/ -d gray -o out --shard 2/8

\b
A line of a manifest is a JSON object with "picture", and any of "degradation", "mask" (a picture of the hole),
"class", "seed" and "output" (the folder of its result, in DIR); the options give what it leaves out.
A picture scans/a/b.jpg of the folder scans/ gets the folder DIR/a/b/. DIR/batch.json and DIR/units.jsonl record what
was asked for. A picture that fails three times, or that cannot be read, gets DIR/.../failed.json, and is left out by
later runs until `dgp batch retry DIR`. Exit code 4: some pictures failed."""
)
@click.argument("inputs", nargs=-1, metavar="[INPUT]...")
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="FILE",
    shell_complete=complete.files,
    show_default=False,
    help="A text file with the path of a picture on each line; the same as @FILE. Repeatable.",
)
@click.option(
    "--manifest",
    "manifests",
    multiple=True,
    metavar="FILE",
    shell_complete=complete.files,
    show_default=False,
    help="A file of JSON lines that give pictures settings of their own; see below. Repeatable.",
)
@degradation_option(
    "The degradation to undo, as for `dgp restore`; not needed if each line of a manifest has one.", required=False
)
@work_options
@click.option(
    "--shard",
    default="1/1",
    metavar="I/N",
    callback=parse_shard,
    help="Run every N-th picture, from the I-th: start N such commands on as many machines.",
)
@run_options
@console_options
def run(
    inputs: tuple[str, ...],
    lists: tuple[str, ...],
    manifests: tuple[str, ...],
    spec: str | None,
    work: WorkOptions,
    shard: tuple[int, int],
    options: RunOptions,
    console: Console,
):
    """Restore many pictures.

    Each INPUT is a folder, whose subfolders are searched as well; a pattern in quotes; a picture; or @FILE, a list of
    paths. With --json, a summary is printed; `dgp batch export` gives a row for each picture.
    """
    from dgp.batch.drive import select_shard
    from dgp.batch.plan import find_units, plan_batch
    from dgp.runs.runner import Runner

    settings = options.settings(spec)
    found = find_units(inputs, lists, manifests, settings, options.output)
    runner = Runner.load(settings)
    print_notes(runner, options, console)
    asked = (*inputs, *(f"@{path}" for path in lists), *(f"--manifest {path}" for path in manifests))
    batch = plan_batch(found, runner, asked, options.output)
    units = select_shard(batch.units, *shard)
    if options.dry_run:
        _print_plan(batch, units, console)
        return
    batch.save(options.overwrite)
    del runner  # the processes load the prior for themselves
    log_file = options.log_file and str(options.log_file.absolute())
    how = {"fresh": not options.resume, "checkpoint_every": options.checkpoint_every, "log_file": log_file}
    _run(batch, units, work, console, overwrite=options.overwrite, **how)


@click.command(
    epilog="""\b
Examples:
  dgp batch retry out
  dgp batch retry out --workers 1 --time-limit 3600

\b
The plugins of a batch are Python files, whose code is executed: name them again with --plugin."""
)
@click.argument("output", type=click.Path(path_type=Path), metavar="DIR")
@plugin_option
@work_options
@console_options
def retry(output: Path, plugins: tuple[str, ...], work: WorkOptions, console: Console):
    """Run the pictures again that failed, with the settings of the batch.

    DIR is the output folder of `dgp batch`.
    """
    import os

    from dgp.batch.batch_files import load_batch
    from dgp.batch.plan import expect_same_method
    from dgp.batch.report import forget_failures
    from dgp.runs.runner import Runner

    batch = load_batch(output)
    if plugins != batch.settings.plugins:
        names = " ".join(f"--plugin {name}" for name in batch.settings.plugins) or "none"
        raise click.UsageError(f"the batch runs these plugins, whose code would be executed: {names}; name them again")
    os.chdir(batch.cwd)
    expect_same_method(batch, Runner.load(batch.settings))
    _run(batch, forget_failures(batch), work, console)


def _run(batch: Batch, units: tuple[Unit, ...], work: WorkOptions, console: Console, **how: Any) -> None:
    """Run units, print what became of them, and exit with 4 if some failed; ``how`` are fields of Work."""
    from dgp.batch.drive import run_units
    from dgp.batch.engines.table import find_engine, find_scheduler
    from dgp.batch.worker import Work

    context = click.get_current_context()
    argv = ("dgp", *(context.find_root().obj or ()))
    given = Work(batch.settings, str(batch.output), batch.cwd, argv, **how)
    workers = work.processes()
    if (submit := find_scheduler(work.engine)) is not None:
        submit_units(batch, units, given, submit, workers, work.wait, console)
        return
    with printing_log(console):
        tally = run_units(units, given, find_engine(work.engine), workers)
    _print_summary(tally, batch, console)
    if tally.failures:
        context.exit(SOME_FAILED)


def _print_summary(tally: Tally, batch: Batch, console: Console) -> None:
    record = tally.record()
    console.print_json({"status": "some failed" if tally.failures else "done", "output": str(batch.output)} | record)
    console.print(
        printable_text(
            f"{record['done']} of {record['units']} pictures done ({tally.ran} now), {record['failed']} failed -> "
            f"{batch.output}"
        )
    )


def _print_plan(batch: Batch, units: tuple[Unit, ...], console: Console) -> None:
    """Print what a run would do."""
    from collections import Counter

    from dgp.batch.report import STATES, read_state

    counts = Counter(read_state(batch.output, unit).status for unit in units)
    found = {state: counts[state] for state in STATES}
    console.print_json({"status": "planned", "output": str(batch.output), "units": len(units)} | found)
    for unit in units:
        console.detail(printable_text(f"{unit.picture} -> {batch.output / unit.folder}"))
    words = ", ".join(f"{number} {state}" for state, number in found.items() if number)
    console.print(printable_text(f"{len(units)} pictures -> {batch.output}: {words}"))
