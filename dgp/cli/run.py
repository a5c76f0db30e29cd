"""The restoration of one or several pictures: all are checked first, then each is run and saved in its own folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.checkpoint.signals import catch_signals
from dgp.cli.console import START_TIME, Console, printable_text
from dgp.cli.failures import describe_failure, exit_after, exit_code, report_failure
from dgp.cli.options import RunOptions
from dgp.errors import Interrupted
from dgp.files import check_writable

if TYPE_CHECKING:
    from dgp.checkpoint.signals import Watch
    from dgp.runs.job import Job
    from dgp.runs.runner import Runner, Specify


def run_pictures(paths: Sequence[Path], degradation: str | Specify, options: RunOptions, console: Console) -> None:
    """Restore pictures, as `dgp restore` and the related commands do, and exit with the exit code of the call.

    Errors in the options are raised before anything is written. If one of several pictures fails, the others are
    still restored.

    Args:
        paths: pictures, and folders of pictures.
        degradation: a spec, or a function from an opened picture and the recipe to an operator.
        options: the options of the call.
        console: prints results and notes.
    """
    from dgp.observation.folders import expand_folders
    from dgp.runs.folders import name_folders
    from dgp.runs.job import Job
    from dgp.runs.runner import Runner

    images = expand_folders(paths)
    spec = degradation if isinstance(degradation, str) else None
    runner = Runner.load(options.settings(spec))
    print_notes(runner, options, console)
    check_writable(options.output)
    loaded = time.perf_counter() - click.get_current_context().meta[START_TIME]
    runner = replace(
        runner,
        specify=degradation if spec is None else None,
        argv=("dgp", *(click.get_current_context().find_root().obj or ())),
        overwrite=options.overwrite,
        fresh=not options.resume,
        checkpoint_every=options.checkpoint_every,
        find_class=not options.dry_run,
    )
    names = name_folders([Path(path.name) for path in images])
    jobs = [Job(path, options.output, name) for path, name in zip(images, names, strict=True)]
    with catch_signals() as signals:
        jobs = [runner.check(job, keep=len(jobs) == 1) for job in jobs]
        for job in jobs:
            if job.failed:
                report_failure(job.path, job.failed, console)
        runner = replace(runner, load_s=loaded / max(1, sum(not job.failed and not job.done for job in jobs)))
        outcomes = [_outcome(runner, job, options.dry_run, console, signals) for job in jobs]
    records = [record for record, _ in outcomes]
    # A folder always gives a list, so that scripts need not know how many pictures it contains.
    one = len(records) == 1 and not paths[0].is_dir()
    console.print_json(records[0] if one else {"results": records})
    exit_after([code for _, code in outcomes])


def print_notes(runner: Runner, options: RunOptions, console: Console) -> None:
    """Print what the call changes of the recipe, and what the prior does."""
    from dgp.planning.adapt import adapt_recipe
    from dgp.planning.stand_in import explain_stand_in

    if stand_in := explain_stand_in(options.recipe, runner.prior):
        console.note(stand_in)
    for note in options.notes(runner.recipe):
        console.note(note)
    for note in adapt_recipe(runner.recipe, runner.prior)[1]:
        console.detail(f"{runner.recipe.name} on {runner.prior.name}: {note}")


def _outcome(runner: Runner, job: Job, dry_run: bool, console: Console, watch: Watch) -> tuple[dict, int]:
    """Run a job if necessary; return its JSON record, and 0 or the exit code of its failure."""
    from dgp.output.run_folder import read_result

    def note(text: str) -> None:
        console.note(f"{printable_text(job.path)}: {text}")

    if job.failed:
        return describe_failure(job.path, job.failed), exit_code(job.failed)
    if dry_run:
        for text in job.notes:
            note(text)
        console.print(
            f"{printable_text(job.path)} -> {printable_text(job.folder)}: {job.planned['degradation']['spec']}, "
            f"{job.planned['recipe']['name']} in {runner.recipe.steps} steps on {runner.prior.name}"
            + (", done already" if job.done else "")
        )
        return job.planned | {
            "status": "done" if job.done else "planned",
            "output": str(job.folder),
            "steps": runner.recipe.steps,
        }, 0
    if job.done:
        console.print(f"{printable_text(job.path)}: done already, in {printable_text(job.folder)}")
        return read_result(job.folder), 0
    try:
        record = runner.run(job, note, watch)
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001  a picture that fails must not stop the others
        report_failure(job.path, error, console)
        return describe_failure(job.path, error), exit_code(error)
    console.print(f"{printable_text(job.path)} -> {printable_text(job.folder / 'restored.png')}  {summarize(record)}")
    for one in record["diverged"]:
        which = f"solution {one['solution']} diverged in {one['stage']}, step {one['iteration'] + 1}"
        note(f"warning: {which}; what it had before was saved. Lower the learning rates: --set 'stages.*.lr=0.01'")
    if record["memory"]["shortages"]:
        note("memory was short; result.json says under `memory` what gave way")
    full_size = record["full_size"] or {}
    if harm := full_size.get("worse_than_untouched"):
        note(f"the answer is worse than the photograph as it is: {harm}")
    if full_size.get("unchanged"):
        note(
            "restored.png is the photograph as it is, of which "
            f"{record['degradation']['asked']} loses nothing; what the prior made of it is restored_prior.png"
        )
    return record, 0


def summarize(record: dict) -> str:
    """Return the estimates and metrics of a result in one line."""
    from dgp.output.class_choice import describe_choice
    from dgp.output.describe import describe_measurements

    words = [
        f"{name} {found['value']:.3g} {found['unit']}".rstrip()
        for name, found in record["degradation"]["estimated"].items()
    ]
    if record["class_asked"] is None and record["class"] is not None:
        words.append(f"class found: {describe_choice(record['classes'])}")
    words += describe_measurements(
        record["metrics"], record["fidelity"], record.get("full_size"), record["effective_resolution"]
    )
    return ", ".join([*words, f"{record['timing']['total_s']:.1f} s"])
