"""`dgp batch status`, `verify` and `export`: what a batch has made."""

from __future__ import annotations

from pathlib import Path

import click

from dgp.cli.batch.console import print_failures
from dgp.cli.console import Console, console_options, printable_text

output_argument = click.argument("output", type=click.Path(path_type=Path), metavar="DIR")


@click.command(
    epilog="""\b
Examples:
  dgp batch status out
  dgp batch status out --json"""
)
@output_argument
@console_options
def status(output: Path, console: Console):
    """Count the pictures that are done, diverged, failed, interrupted and missing.

    DIR is the output folder of `dgp batch`.
    """
    from dgp.batch.batch_files import load_batch
    from dgp.batch.report import STATES, summarize

    found = summarize(load_batch(output))
    console.print_json(found)
    print_failures(found["failures"], console)
    counts = ", ".join(f"{found[state]} {state}" for state in STATES)
    console.print(printable_text(f"{found['units']} pictures in {found['output']}: {counts}"))


@click.command(
    epilog="""\b
Examples:
  dgp batch verify out
  dgp batch verify out --json

\b
Plugins are compared as files; their code is not executed. Exit code 1: something differs."""
)
@output_argument
@console_options
@click.pass_context
def verify(ctx: click.Context, output: Path, console: Console):
    """Hash every file again: results, pictures, weights and plugins; list what differs.

    DIR is the output folder of `dgp batch`.
    """
    import os

    from dgp.batch.batch_files import load_batch
    from dgp.batch.verify import verify_method, verify_results
    from generators.progress import report

    batch = load_batch(output)
    os.chdir(batch.cwd)
    differences, results = verify_method(batch), 0
    for unit, changes in verify_results(batch):
        results += 1
        differences += changes
        report("verifying", unit.number, len(batch.units))
    report("")
    console.print_json({"status": "differs" if differences else "same", "results": results, "differences": differences})
    for line in differences:
        console.print(printable_text(line))
    console.print(f"{results} results verified, {len(differences)} differences")
    if differences:
        ctx.exit(1)


@click.command(
    epilog="""\b
Examples:
  dgp batch export out -o table.csv
  dgp batch export out -o table.parquet       needs pyarrow

\b
A row has the metrics, fidelity, timing, class, status and reason of a picture."""
)
@output_argument
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The file to write: .csv, .jsonl or .parquet.",
)
@console_options
def export(output: Path, file: Path, console: Console):
    """Write a table with a row for each picture.

    DIR is the output folder of `dgp batch`.
    """
    from dgp.batch.batch_files import load_batch
    from dgp.batch.export import export as write_table

    rows = write_table(load_batch(output), file)
    console.print_json({"status": "done", "output": str(file), "rows": rows})
    console.print(f"{rows} rows -> {printable_text(file)}")
