"""Several pictures, each checked before any work, then each a run of its own with a folder of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dgp.cli.failures import SOME_FAILED, exit_code, one_line, print_error
from dgp.cli.options import START_TIME, Console, RunOptions
from dgp.cli.outputs import refuse_overwriting_inputs
from dgp.errors import OutputError

if TYPE_CHECKING:
    from degradations import Degradation
    from dgp.observation.images import Picture
    from dgp.observation.observation import Observation
    from dgp.recipes.recipe import Recipe
    from dgp.warm_start import Start
    from generators import Prior

    Specify = Callable[[Picture, Recipe], Degradation]


@dataclass(frozen=True)
class Job:
    """One picture and where its answer goes. planned: what makes the run what it is (`results.run_identity`).

    observation: kept only where it is the only one, as photographs are large.  notes: what was done to the picture.
    failed: why it cannot be run.  seconds: what opening and checking it took, estimates included.
    """

    path: Path
    folder: Path
    planned: dict | None = None
    done: bool = False
    observation: Observation | None = None
    notes: tuple[str, ...] = ()
    failed: Exception | None = None
    seconds: float = 0.0

    def tell_notes(self, console: Console) -> None:
        for note in self.notes:
            console.note(f"{printable_text(self.path)}: {note}")


@dataclass(frozen=True)
class Runner:
    """What all pictures of a call share. load_s: seconds that loading took, the share of each picture."""

    prior: Prior
    recipe: Recipe
    degradation: str | Specify
    plugins: tuple[dict, ...]
    options: RunOptions
    device: str
    load_s: float = 0.0

    def observe(self, path: Path) -> Observation:
        import degradations
        import dgp
        from dgp.observation.images import open_picture

        picture, how = open_picture(path), self.degradation
        degradation = how
        if how != "auto":
            degradation = degradations.parse(how) if isinstance(how, str) else how(picture, self.recipe)
            degradation = record_plugins(degradation, self.plugins)
        return dgp.observe(
            picture,
            degradation,
            self.prior,
            label=self.options.label,
            simulate=self.options.simulate,
            truth=self.options.truth,
            fit=self.options.fit,
            target=self.recipe.target,
            weight=self.options.weight,
            seed=self.options.seed,
        )

    def start(self, job: Job) -> Start | None:
        """Where an earlier run has left it; InputError where there is none."""
        from dgp.warm_start import start_of

        folder = self.options.start
        if folder is None:
            return None
        return start_of(folder if (folder / "latents.safetensors").exists() else folder / job.folder.name)

    def checked(self, job: Job, keep: bool) -> Job:
        """The job, opened and compared with what lies in its folder; or why it cannot be run."""
        begin = time.perf_counter()
        from dgp.output.run_folder import is_done, run_identity
        from dgp.planning.adapt import map_recipe
        from dgp.planning.blind_restoration import blind
        from dgp.progress import display

        try:
            with display(prefix=printable_text(job.path.name)):
                observation = self.observe(job.path)
            start = self.start(job)
            planned = run_identity(
                observation,
                self.prior,
                map_recipe(blind(self.recipe, [observation]), self.prior)[0],
                seed=self.options.seed,
                num_solutions=self.options.num_solutions,
                start=None if start is None else start.record(),
            )
            done = is_done(job.folder, planned, self.options.overwrite)
            if not done:
                writable(job.folder)
                assets = [asset.get("path") for asset in observation.whole.assets.values()]
                refuse_overwriting_inputs(job.folder, [job.path, self.options.weight, *assets])
        except Exception as error:  # noqa: BLE001, a picture that fails must not stop the others
            return replace(job, failed=error)
        seconds, kept = time.perf_counter() - begin, observation if keep else None
        return replace(job, planned=planned, done=done, observation=kept, notes=observation.notes, seconds=seconds)

    def run(self, job: Job, console: Console) -> dict:
        """Restores one picture and saves it; the record that lies in its folder."""
        begin = time.perf_counter()
        from dgp.inversion import Inversion
        from dgp.output.run_folder import read_result
        from dgp.progress import display, report_steps

        with display(prefix=printable_text(job.path.name)):
            observation, start = job.observation or self.observe(job.path), self.start(job)
            estimate_s = job.seconds + time.perf_counter() - begin
            job.tell_notes(console)
            inversion = Inversion(
                observation,
                self.prior,
                self.recipe,
                seed=self.options.seed,
                num_solutions=self.options.num_solutions,
                start=start,
                device=self.device,
            )
            for _ in report_steps(inversion):
                pass
            argv = ["dgp", *(click.get_current_context().find_root().obj or ())]
            result = inversion.result()
            result.spent("load_s", self.load_s + result.timing["load_s"])
            result.spent("estimate_s", estimate_s)
            return read_result(result.save(job.folder, argv))


def run_pictures(given: Sequence[Path], degradation: str | Specify, options: RunOptions, console: Console) -> None:
    """The whole of `dgp restore` and its kin. Ends with the exit code of the call where something failed.

    given: pictures, and folders of them.  degradation: its spec, or what says it of an opened picture and the recipe.

    What is wrong with the call is raised before anything is written; what is wrong with one picture of
    several leaves the others alone.
    """
    import degradations
    import dgp
    from dgp.device import resolve_device
    from dgp.observation.folders import list_pictures
    from dgp.planning.adapt import map_recipe

    images = [path for place in given for path in (list_pictures(place) if place.is_dir() else [place])]
    device = resolve_device(options.device)
    plugins = options.load_plugins()
    if isinstance(degradation, str) and degradation != "auto":
        degradations.parse(degradation)
    recipe = options.load_recipe(options.recipe)
    prior = dgp.load_prior(options.prior)
    if options.label != "auto":
        prior.generator.info.class_index(options.label)
    for note in options.notes(recipe):
        console.note(note)
    for note in map_recipe(recipe, prior)[1]:
        console.detail(f"{recipe.name} on {prior.name}: {note}")
    writable(options.output)
    loaded = time.perf_counter() - click.get_current_context().meta[START_TIME]
    runner = Runner(prior, recipe, degradation, plugins, options, device)
    jobs = [Job(path, options.output / stem) for path, stem in zip(images, folder_names(images), strict=True)]
    jobs = [runner.checked(job, keep=len(jobs) == 1) for job in jobs]
    for job in jobs:
        if job.failed:
            report_failure(job, job.failed, console)
    runner = replace(runner, load_s=loaded / max(1, sum(not job.failed and not job.done for job in jobs)))
    outcomes = [_outcome(runner, job, console) for job in jobs]
    records = [record for record, _ in outcomes]
    # A folder gives a list whatever it holds, so that a script need not count.
    one = len(records) == 1 and not given[0].is_dir()
    console.print_json(records[0] if one else {"results": records})
    codes = [code for _, code in outcomes]
    if any(codes):
        click.get_current_context().exit(max(codes) if all(codes) else SOME_FAILED)


def _outcome(runner: Runner, job: Job, console: Console) -> tuple[dict, int]:
    """(the record of a picture, 0 or the exit code of its failure)."""
    from dgp.output.run_folder import read_result

    if job.failed:
        return _failure(job, job.failed), exit_code(job.failed)
    if runner.options.dry_run:
        job.tell_notes(console)
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
    except Exception as error:  # noqa: BLE001, a picture that fails must not stop the others
        report_failure(job, error, console)
        return _failure(job, error), exit_code(error)
    console.print(f"{printable_text(job.path)} -> {printable_text(job.folder / 'restored.png')}  {summarize(record)}")
    return record, 0


def _failure(job: Job, error: Exception) -> dict:
    return {"status": "failed", "input": {"path": str(job.path)}, "error": one_line(error)}


def report_failure(job: Job, error: Exception, console: Console) -> None:
    named = str(job.path) in str(error)
    print_error(error, verbose=console.verbose, about="" if named else f"{job.path}: ")


def folder_names(images: Sequence[Path]) -> list[str]:
    """The names of the pictures' folders: a second picture of one stem gets <stem>-2, the next <stem>-3."""
    taken: dict[str, None] = {}
    for path in images:
        stem = "picture" if path.stem in (".", "..") else path.stem  # which would lie outside the output folder
        candidates = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        taken[next(name for name in candidates if name not in taken)] = None
    return list(taken)


def record_plugins(degradation: Degradation, plugins: tuple[dict, ...]) -> Degradation:
    """The same operator; a link that a plugin file defines says so among its assets, which results record."""
    for link in getattr(degradation, "links", [degradation]):
        for plugin in plugins:
            if link.name in plugin["names"]:
                link.assets["plugin"] = {"sha256": plugin["sha256"], "path": plugin["path"]}
    return degradation


def writable(folder: Path) -> None:
    """OutputError where files could not be written into a folder, or into what shall hold it.

    Leaves nothing behind.
    """
    place = folder
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        if not place.is_dir():
            raise OutputError(f"cannot write into {folder}: {place} is a file; choose another folder with -o")
        with tempfile.TemporaryDirectory(prefix=".dgp-", dir=place):
            pass
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder}: {error.strerror or error}; choose another folder with -o"
        ) from error


def png_writer(path: Path) -> Callable[[bytes], None]:
    """What writes a PNG file whole, folders on the way as well. OutputError now where it could not."""
    from dgp.files import write_bytes_atomic

    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file, for example -o {path / 'picture.png'}")
    if path.suffix.lower() != ".png":
        raise OutputError(f"got -o {path}; expected a name that ends in .png, which is what is written")
    writable(path.parent)

    def write(data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(path, data)

    return write


def summarize(record: dict) -> str:
    """Return what is said of a result, in one line."""
    from dgp.output.run_record import in_words

    words = [f"{name} {found['value']:.3g}" for name, found in record["degradation"]["estimated"].items()]
    if record["class_asked"] is None and record["class"] is not None:
        words.append(f"class found: {record['class_name']}")
    words += in_words(record["metrics"], record["fidelity"])
    return ", ".join([*words, f"{record['timing']['total_s']:.1f} s"])


def printable_text(text: object) -> str:
    """Text that any terminal takes: file names may hold bytes that are no letters."""
    return str(text).encode("utf-8", "replace").decode()
