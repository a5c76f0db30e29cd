"""The run of one picture: check it, restore it, save the result. Every command that restores pictures runs this."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dgp.checkpoint import EVERY
from dgp.errors import InputError, Interrupted, to_one_line
from dgp.files import check_writable, sha256_of
from dgp.process.determinism import deterministic
from dgp.runs.folders import refuse_overwriting_inputs
from dgp.runs.job import Job
from dgp.runs.plugins import load_plugins, record_plugins
from dgp.runs.settings import RunSettings
from dgp.runs.unit import Method, describe_degradation, describe_spec, unit_id

if TYPE_CHECKING:
    from degradations import Degradation
    from dgp.checkpoint.signals import Watch
    from dgp.observation.images import Picture
    from dgp.observation.observation import Observation
    from dgp.recipes.schema import Recipe
    from dgp.warm_start import Start
    from generators import Prior

    Specify = Callable[[Picture, Recipe], Degradation]


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runner:
    """Runs pictures with the same settings on a prior that is loaded once.

    Attributes:
        settings: what the call asks for; ``dataclasses.replace`` them for a picture with settings of its own.
        prior: the prior.
        recipe: the recipe, with the changes of the call.
        method: the hashes of both, of the plugins and of the code.
        plugins: entries for result.json of the plugin files.
        device: the torch device.
        argv: the call, program first, for result.json.
        specify: chooses the operator from an opened picture and the recipe; None: it is `settings.degradation`.
        overwrite: replace results of other runs.
        fresh: begin anew, whatever the folder of a run holds of it.
        checkpoint_every: seconds between two checkpoints; 0: none.
        find_class: whether a classifier may be trained to find the classes.
        load_s: seconds that loading took, divided by the number of pictures.
    """

    settings: RunSettings
    prior: Prior
    recipe: Recipe
    method: Method
    plugins: tuple[dict, ...] = ()
    device: str = "cpu"
    argv: tuple[str, ...] = ("dgp",)
    specify: Specify | None = None
    overwrite: bool = False
    fresh: bool = False
    checkpoint_every: float = EVERY
    find_class: bool = True
    load_s: float = 0.0

    @classmethod
    def load(cls, settings: RunSettings) -> Runner:
        """Load plugins, prior and recipe, and check the settings that need no picture.

        Raises:
            InputError, RecipeError, degradations.DegradationError, generators.GeneratorError: one line each.
        """
        import degradations
        import dgp
        from dgp.device import resolve_device
        from dgp.runs.recipe import load_changed_recipe

        device = resolve_device(settings.device)
        plugins = load_plugins(settings.plugins)
        if settings.degradation not in (None, "auto"):
            degradations.parse(settings.degradation)
        prior = dgp.load_prior(settings.prior)
        recipe = load_changed_recipe(settings.recipe, prior, settings.overrides, settings.budget, settings.merge)
        if settings.label != "auto":
            prior.generator.info.class_index(settings.label)
        return cls(settings, prior, recipe, Method.of(prior, recipe, plugins), plugins, device)

    @property
    def uses(self) -> dict:
        """What runs depend on besides their pictures and settings, for the identity of their checkpoints."""
        return self.method.record() | {"deterministic": self.settings.deterministic}

    def observe(self, path: Path) -> Observation:
        """Open a picture, and fit it to the prior."""
        import degradations
        import dgp
        from dgp.observation.images import open_picture

        settings = self.settings
        picture = open_picture(path, settings.max_pixels)
        degradation = settings.degradation if self.specify is None else self.specify(picture, self.recipe)
        if degradation != "auto":
            if isinstance(degradation, str):
                degradation = degradations.parse(degradation)
            degradation = record_plugins(degradation, self.plugins)
        return dgp.observe(
            picture,
            degradation,
            self.prior,
            label=settings.label,
            simulate=settings.simulate,
            simulate_at=settings.simulate_at,
            truth=settings.truth,
            fit=settings.fit,
            target=self.recipe.target,
            weight=settings.weight,
            align=settings.align,
            landmarks=settings.landmarks,
            detector=settings.detector,
            # A classifier may have to be trained first.
            find_class=self.recipe.classes == "likely" and settings.start is None and self.find_class,
            seed=settings.seed,
        )

    def start_folder(self, job: Job) -> Path | None:
        """Return the folder of the result that a warm-started run starts from (--start), or None."""
        if self.settings.start is None:
            return None
        folder = Path(self.settings.start)
        return folder if (folder / "latents.safetensors").exists() else folder / job.name

    def start(self, job: Job) -> Start | None:
        """Return the start of a warm-started run, or None. Raises InputError if there is no result."""
        from dgp.warm_start import load_start

        folder = self.start_folder(job)
        return None if folder is None else load_start(folder)

    def unit(self, job: Job) -> str:
        """Return the id of the unit of work that a job is (`dgp.runs.unit`); it reads the picture's file.

        Raises:
            InputError: the picture, or another file of the settings, cannot be read.
        """
        from dgp.observation.images import open_picture

        folder = self.start_folder(job)
        settings = replace(self.settings, start=None if folder is None else str(folder))
        if self.specify is not None:
            picture = open_picture(job.path, settings.max_pixels)
            found = picture.sha256, describe_degradation(self.specify(picture, self.recipe))
        else:
            # A file that cannot be hashed is opened, which fails with the message for it.
            sha256 = sha256_of(job.path) if job.path.is_file() else open_picture(job.path, settings.max_pixels).sha256
            found = sha256, describe_spec(settings.degradation)
        return unit_id(found[0], settings, self.method, found[1])

    def check(self, job: Job, keep: bool) -> Job:
        """Open the picture, compare the job with the contents of its folder, and return the job with the result.

        Args:
            job: the job.
            keep: keep the opened picture for the run.
        """
        begin = time.perf_counter()
        from dgp.checkpoint.folder import CheckpointFolder
        from dgp.output.checkpoint_identity import refuse_other_checkpoint
        from dgp.output.run_folder import is_done, run_identity
        from dgp.planning.plan import plan_recipe
        from dgp.progress import display

        settings = self.settings
        try:
            with deterministic(settings.deterministic), display(prefix=printable_name(job.path)):
                observation = self.observe(job.path)
            start = self.start(job)
            planned = run_identity(
                observation,
                self.prior,
                plan_recipe(self.recipe, self.prior, [observation])[0],
                seed=settings.seed,
                num_solutions=settings.num_solutions,
                start=None if start is None else start.record(),
            )
            done = is_done(job.folder, planned, self.overwrite) and not self.fresh
            if done:
                CheckpointFolder(job.folder).clear()
            else:
                if not (self.fresh or self.overwrite):
                    refuse_other_checkpoint(job.folder, planned, self.device, self.uses)
                check_writable(job.folder)
                assets = [asset.get("path") for asset in observation.whole.assets.values()]
                refuse_overwriting_inputs(job.folder, [job.path, settings.weight, settings.landmarks, *assets])
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001  a picture that fails must not stop the others
            return replace(job, failed=error)
        seconds, kept = time.perf_counter() - begin, observation if keep else None
        return replace(job, planned=planned, done=done, observation=kept, notes=observation.notes, seconds=seconds)

    def run(self, job: Job, note: Callable[[str], None] = lambda text: None, watch: Watch | None = None) -> dict:
        """Restore one picture, or go on with it from its checkpoint, save the result, and return its result.json.

        A result of the same unit that another process has completed in the meantime is left as it is.

        Args:
            job: the job, checked.
            note: takes sentences for the user.
            watch: says at the safe points of the run whether it is to end.

        Raises:
            Interrupted: by ``watch``, after a checkpoint.
        """
        begin = time.perf_counter()
        from dgp.api import invert
        from dgp.checkpoint.autosave import Autosave
        from dgp.checkpoint.folder import CheckpointFolder
        from dgp.output.checkpoint_identity import is_same_checkpoint
        from dgp.output.run_folder import find_result, read_result
        from dgp.process.peak_memory import read_peak_memory, reset_peak_memory
        from dgp.progress import display

        settings, of_run = self.settings, reset_peak_memory()
        with deterministic(settings.deterministic), display(prefix=printable_name(job.path)):
            unit = self.unit(job)
            observation, start = job.observation or self.observe(job.path), self.start(job)
            self._refuse_changed(job, observation)
            logger.info("a run begins", extra={"picture": str(job.path), "unit": unit})
            estimate_s = job.seconds + time.perf_counter() - begin
            for text in job.notes:
                note(text)
            checkpoints = CheckpointFolder(job.folder)
            if self.fresh or not is_same_checkpoint(job.folder, job.planned, self.device, self.uses):
                checkpoints.clear()  # of another run only with --overwrite, as ``check`` refuses it otherwise
            how = {"watch": watch, "note": note, "identity": {"method": self.uses}}
            autosave = Autosave(checkpoints, self.checkpoint_every, **how)
            result = invert(
                observation,
                self.prior,
                self.recipe,
                seed=settings.seed,
                num_solutions=settings.num_solutions,
                start=start,
                device=self.device,
                autosave=autosave,
            )
            result.spent("load_s", self.load_s + result.timing["load_s"])
            result.spent("estimate_s", estimate_s)
            result.plugins, result.unit = self.plugins, unit
            result.compose()  # before memory is measured
            result.timing["peak_memory"] = read_peak_memory(of_run)
            existing = None if self.fresh else find_result(job.folder, unit)
            record = existing or read_result(result.save(job.folder, self.argv))
            checkpoints.clear()
            about = {"picture": str(job.path), "unit": unit, "status": record["status"], **record["timing"]}
            logger.info("a run is over", extra=about)
            return record

    def _refuse_changed(self, job: Job, observation: Observation) -> None:
        """Raise InputError if the picture is not the one any more that was checked, or that was opened."""
        checked, opened = job.planned["input"]["sha256"], observation.source.sha256
        if not checked == opened == sha256_of(job.path):
            raise InputError(f"{job.path}: the file was changed while it was waiting for its run; run it again")


def printable_name(path: Path) -> str:
    """Return the name of a file for a terminal (``to_one_line``)."""
    return to_one_line(path.name)
