"""The restoration of one or several pictures: all are checked first, then each is run and saved in its own folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.cli.console import START_TIME, Console, printable_text
from dgp.cli.failures import describe_failure, exit_after, exit_code, report_failure
from dgp.cli.options import RunOptions
from dgp.cli.outputs import folder_names, refuse_overwriting_inputs
from dgp.cli.plugins import record_plugins
from dgp.files import check_writable

if TYPE_CHECKING:
    from degradations import Degradation
    from dgp.observation.images import Picture
    from dgp.observation.observation import Observation
    from dgp.recipes.schema import Recipe
    from dgp.warm_start import Start
    from generators import Prior

    Specify = Callable[[Picture, Recipe], Degradation]


@dataclass(frozen=True)
class Job:
    """A picture to restore, and the result of checking it.

    Attributes:
        path: the picture.
        folder: the folder of the run.
        planned: the entries of result.json that identify the run (`run_folder.run_identity`).
        done: the folder holds the complete result of this run already.
        observation: the opened picture; kept only if there is one picture in the call, as photographs are large.
        notes: sentences for the user about what was done to the picture.
        failed: the error that prevents the run.
        seconds: how long opening, estimating and checking took.
    """

    path: Path
    folder: Path
    planned: dict | None = None
    done: bool = False
    observation: Observation | None = None
    notes: tuple[str, ...] = ()
    failed: Exception | None = None
    seconds: float = 0.0

    def print_notes(self, console: Console) -> None:
        for note in self.notes:
            console.note(f"{printable_text(self.path)}: {note}")


@dataclass(frozen=True)
class Runner:
    """Settings that all pictures of a call have in common.

    Attributes:
        prior: the prior.
        recipe: the recipe, with the changes of the call.
        degradation: a spec, or a function from an opened picture and the recipe to an operator.
        plugins: entries for result.json of the plugin files.
        options: the options of the call.
        device: the torch device.
        load_s: seconds that loading took, divided by the number of pictures.
    """

    prior: Prior
    recipe: Recipe
    degradation: str | Specify
    plugins: tuple[dict, ...]
    options: RunOptions
    device: str
    load_s: float = 0.0

    def observe(self, path: Path) -> Observation:
        """Open a picture, and fit it to the prior."""
        import degradations
        import dgp
        from dgp.observation.images import open_picture

        picture, degradation = open_picture(path), self.degradation
        if degradation != "auto":
            if isinstance(degradation, str):
                degradation = degradations.parse(degradation)
            else:
                degradation = degradation(picture, self.recipe)
            degradation = record_plugins(degradation, self.plugins)
        return dgp.observe(
            picture,
            degradation,
            self.prior,
            label=self.options.label,
            simulate=self.options.simulate,
            simulate_at=self.options.simulate_at,
            truth=self.options.truth,
            fit=self.options.fit,
            target=self.recipe.target,
            weight=self.options.weight,
            align=self.options.align,
            landmarks=self.options.landmarks,
            detector=self.options.detector,
            find_class=self._finds_class,
            seed=self.options.seed,
        )

    @property
    def _finds_class(self) -> bool:
        """Whether the probabilities of the classes are needed, for which a classifier may have to be trained first."""
        return self.recipe.classes == "likely" and self.options.start is None and not self.options.dry_run

    def start(self, job: Job) -> Start | None:
        """Return the start of a warm-started run (--start), or None. Raises InputError if there is no result."""
        from dgp.warm_start import load_start

        folder = self.options.start
        if folder is None:
            return None
        return load_start(folder if (folder / "latents.safetensors").exists() else folder / job.folder.name)

    def check(self, job: Job, keep: bool) -> Job:
        """Open the picture, compare the job with the contents of its folder, and return the job with the result."""
        begin = time.perf_counter()
        from dgp.output.run_folder import is_done, run_identity
        from dgp.planning.plan import plan_recipe
        from dgp.progress import display

        try:
            with display(prefix=printable_text(job.path.name)):
                observation = self.observe(job.path)
            start = self.start(job)
            planned = run_identity(
                observation,
                self.prior,
                plan_recipe(self.recipe, self.prior, [observation])[0],
                seed=self.options.seed,
                num_solutions=self.options.num_solutions,
                start=None if start is None else start.record(),
            )
            done = is_done(job.folder, planned, self.options.overwrite)
            if not done:
                check_writable(job.folder)
                assets = [asset.get("path") for asset in observation.whole.assets.values()]
                refuse_overwriting_inputs(job.folder, [job.path, self.options.weight, self.options.landmarks, *assets])
        except Exception as error:  # noqa: BLE001  a picture that fails must not stop the others
            return replace(job, failed=error)
        seconds, kept = time.perf_counter() - begin, observation if keep else None
        return replace(job, planned=planned, done=done, observation=kept, notes=observation.notes, seconds=seconds)

    def run(self, job: Job, console: Console) -> dict:
        """Restore one picture, save the result, and return its result.json."""
        begin = time.perf_counter()
        from dgp.api import invert
        from dgp.output.run_folder import read_result
        from dgp.progress import display

        with display(prefix=printable_text(job.path.name)):
            observation, start = job.observation or self.observe(job.path), self.start(job)
            estimate_s = job.seconds + time.perf_counter() - begin
            job.print_notes(console)
            result = invert(
                observation,
                self.prior,
                self.recipe,
                seed=self.options.seed,
                num_solutions=self.options.num_solutions,
                start=start,
                device=self.device,
            )
            argv = ["dgp", *(click.get_current_context().find_root().obj or ())]
            result.spent("load_s", self.load_s + result.timing["load_s"])
            result.spent("estimate_s", estimate_s)
            result.plugins = self.plugins
            return read_result(result.save(job.folder, argv))


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
    import degradations
    import dgp
    from dgp.device import resolve_device
    from dgp.observation.folders import expand_folders
    from dgp.planning.adapt import adapt_recipe
    from dgp.planning.stand_in import explain_stand_in

    images = expand_folders(paths)
    device = resolve_device(options.device)
    plugins = options.load_plugins()
    if isinstance(degradation, str) and degradation != "auto":
        degradations.parse(degradation)
    prior = dgp.load_prior(options.prior)
    recipe = options.load_recipe(options.recipe, prior)
    if options.label != "auto":
        prior.generator.info.class_index(options.label)
    if stand_in := explain_stand_in(options.recipe, prior):
        console.note(stand_in)
    for note in options.notes(recipe):
        console.note(note)
    for note in adapt_recipe(recipe, prior)[1]:
        console.detail(f"{recipe.name} on {prior.name}: {note}")
    check_writable(options.output)
    loaded = time.perf_counter() - click.get_current_context().meta[START_TIME]
    runner = Runner(
        prior=prior, recipe=recipe, degradation=degradation, plugins=plugins, options=options, device=device
    )
    jobs = [Job(path, options.output / stem) for path, stem in zip(images, folder_names(images), strict=True)]
    jobs = [runner.check(job, keep=len(jobs) == 1) for job in jobs]
    for job in jobs:
        if job.failed:
            report_failure(job.path, job.failed, console)
    runner = replace(runner, load_s=loaded / max(1, sum(not job.failed and not job.done for job in jobs)))
    outcomes = [_outcome(runner, job, console) for job in jobs]
    records = [record for record, _ in outcomes]
    # A folder always gives a list, so that scripts need not know how many pictures it contains.
    one = len(records) == 1 and not paths[0].is_dir()
    console.print_json(records[0] if one else {"results": records})
    exit_after([code for _, code in outcomes])


def _outcome(runner: Runner, job: Job, console: Console) -> tuple[dict, int]:
    """Run a job if necessary; return its JSON record, and 0 or the exit code of its failure."""
    from dgp.output.run_folder import read_result

    if job.failed:
        return describe_failure(job.path, job.failed), exit_code(job.failed)
    if runner.options.dry_run:
        job.print_notes(console)
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
        record = runner.run(job, console)
    except Exception as error:  # noqa: BLE001  a picture that fails must not stop the others
        report_failure(job.path, error, console)
        return describe_failure(job.path, error), exit_code(error)
    console.print(f"{printable_text(job.path)} -> {printable_text(job.folder / 'restored.png')}  {summarize(record)}")
    full_size = record["full_size"] or {}
    if harm := full_size.get("worse_than_untouched"):
        console.note(f"{printable_text(job.path)}: the answer is worse than the photograph as it is: {harm}")
    if full_size.get("unchanged"):
        console.note(
            f"{printable_text(job.path)}: restored.png is the photograph as it is, of which "
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
