"""The comparison of arms on pictures and degradations, in units of work whose results are kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from PIL import Image

from dgp.api import observe
from dgp.errors import InputError
from dgp.evaluation import sheets, statistics
from dgp.evaluation.arms import ClassicalArm, DegradedArm, RecipeArm
from dgp.evaluation.baselines import mean_chroma
from dgp.evaluation.judge import Judge
from dgp.evaluation.source import CleanPicture
from dgp.evaluation.units import Unit, plain_name
from dgp.evaluation.views import differences_to, metric_values, split_views
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.observation.figures import encode_png
from dgp.observation.images import open_picture, to_pil, to_rgb
from dgp.observation.observation import Observation
from dgp.planning.adapt import adapt_recipe
from dgp.recipes.schema import Recipe
from generators import Prior, randomise
from generators.text import join_first, pluralise, shorten

GROUP = 10  # pictures that are inverted together
RANDOM = "random weights"


@dataclass(frozen=True)
class Evaluation:
    """A comparison of recipes on the same clean pictures.

    Call ``check()`` to find errors early, ``run()`` to compute the missing results, and ``write()`` for the tables.

    Attributes:
        pictures: the clean pictures (see ``Source``).
        degradations: specs of the degradations.
        recipes: the recipes by their names in the tables; the first is the reference for differences.
        prior: the prior.
        folder: the folder for results and tables.
        label: "folder" (the name of a picture's folder is its class), "auto" (found from the picture), or one for all.
        seed: seed of all runs.
        num_solutions: how many solutions each run computes.
        device: the torch device, or "auto".
        random_weights: also run every recipe on a generator with random weights and the trained discriminator.
        plugins: entries for the identity of results, of the plugin files.
        fit: how pictures are brought to the prior's resolution; "auto" crops the centred square.
        judge: a classifier of answers, or None. It reads the stored pictures, so it can be added to a finished
            evaluation.
        truth: the spec of the operator that degrades the pictures, if it is not the one given to the recipes.
        at_once: how many pictures are inverted together; released layers need memory for each.
        baselines: also evaluate the degraded input and the classical method.
    """

    pictures: Sequence[CleanPicture]
    degradations: Sequence[str]
    recipes: Mapping[str, Recipe]
    prior: Prior
    folder: Path
    label: str = "folder"
    seed: int = 0
    num_solutions: int = 1
    device: str = "auto"
    random_weights: bool = False
    plugins: Sequence[dict] = field(default=())
    fit: str = "auto"
    judge: Judge | None = None
    truth: str | None = None
    at_once: int = GROUP
    baselines: bool = True

    @cached_property
    def arms(self) -> list[RecipeArm | DegradedArm | ClassicalArm]:
        """The arms, in the order of the tables."""
        shared = {"seed": self.seed, "num_solutions": self.num_solutions, "device": self.device}
        arms = [
            RecipeArm(name, recipe, self.prior, self.prior.sha256, **shared) for name, recipe in self.recipes.items()
        ]
        if self.random_weights:
            blank = randomise(self.prior, self.seed)
            # The key names the origin of the random weights, whose last digits depend on the machine.
            key = f"{RANDOM}, seed {self.seed}, of {self.prior.sha256}"
            arms += [RecipeArm(f"{arm.name} ({RANDOM})", arm.recipe, blank, key, **shared) for arm in arms]
        if not self.baselines:
            return arms
        return [*arms, DegradedArm(), ClassicalArm(mean_chroma(self.prior), self.prior.sha256)]

    def check(self) -> None:
        """Raise an error for anything that would make the evaluation fail, before any work.

        Raises:
            InputError: a picture, degradation, class or name that cannot be used.
            OutputError: the folder holds results of another evaluation.
            RecipeError: a recipe that the prior cannot run.
        """
        for name, recipe in self.recipes.items():
            adapt_recipe(recipe, self.prior)
            if name in (DegradedArm.name, ClassicalArm.name):
                raise InputError(
                    f"a recipe cannot be called {name!r} here, as a baseline has that name; rename its file"
                )
        if len({plain_name(spec) for spec in self.degradations}) < len(self.degradations):
            raise InputError(
                f"got {', '.join(self.degradations)}, of which two would share a file name; give each once"
            )
        for spec in self.degradations:
            first = self.pictures[0].picture
            observe(first, spec, self.prior, simulate=True, truth=self.truth, fit=self.fit, seed=self.seed)
        for picture in self.pictures:
            self._class_of(picture)
            if self.judge:
                self.judge.class_of(picture.folder)
        for _ in self._units():
            pass

    @property
    def remaining_steps(self) -> int:
        """The number of steps of missing results, counted for each picture."""
        return sum(arm.steps for arm, unit in self._units() if unit.read() is None)

    @property
    def remaining_units(self) -> int:
        """The number of missing results."""
        return sum(unit.read() is None for _, unit in self._units())

    def run(self, on_step: Callable[[int, str], None] = lambda count, text: None) -> None:
        """Compute the missing results, in groups of pictures.

        Args:
            on_step: called as ``on_step(count, text)`` after a step of `count` pictures; `text` describes the work.
        """
        for spec in self.degradations:
            for arm in self.arms:
                missing = [p for p in self.pictures if self._unit(arm, spec, p).read() is None]
                for first in range(0, len(missing), self.at_once):
                    group = missing[first : first + self.at_once]
                    observations = [self._observe(arm, spec, picture) for picture in group]
                    found = arm.run(observations, lambda n, text=f"{spec}, {arm.name}": on_step(n, text))
                    for picture, answer in zip(group, found, strict=True):
                        self._unit(arm, spec, picture).write(to_pil(answer.tensor), answer.content)

    def write(self) -> dict:
        """Write table.md, gallery-<degradation>.png and, last, summary.json; return the content of summary.json."""
        summary = self.summary()
        write_bytes_atomic(self.folder / "table.md", sheets.table(summary).encode())
        for spec in self.degradations:
            write_bytes_atomic(self.folder / f"gallery-{plain_name(spec)}.png", encode_png(self._gallery(spec)))
        write_json_atomic(self.folder / "summary.json", summary)
        return summary

    def summary(self) -> dict:
        """Return the content of summary.json: means of every arm, and paired differences, with intervals.

        Differences are to the first arm and to the classical one. The mean of the solutions, the result of the latents
        alone and the picture before postprocessing are listed like further arms.
        """
        results, to_first, to_classical = {}, {}, {}
        for spec in self.degradations:
            values: dict[str, dict[str, dict]] = {}
            for arm in self.arms:
                own = {p.name: metric_values(self._unit(arm, spec, p).read()) for p in self.pictures}
                for name, verdict in self._verdicts(arm, spec).items():
                    own[name] |= verdict
                values |= split_views(arm.name, own)
            results[spec] = {name: statistics.means(own) for name, own in values.items()}
            to_first[spec] = differences_to(values, self.arms[0].name)
            to_classical[spec] = differences_to(values, ClassicalArm.name) if self.baselines else {}
        return {
            "schema": 1,
            "status": "done",
            "pictures": [p.name for p in self.pictures],
            "n": len(self.pictures),
            "prior": {"name": self.prior.name, "sha256": self.prior.sha256},
            "class": self.label,
            "seed": self.seed,
            "num_solutions": self.num_solutions,
            "plugins": list(self.plugins),
            "recipes": {name: recipe.sha256 for name, recipe in self.recipes.items()},
            "first": self.arms[0].name,
            "bootstrap": {
                "resamples": statistics.RESAMPLES,
                "interval": statistics.INTERVAL,
                "seed": statistics.SEED,
            },
            "results": results,
            "differences": to_first,
            "differences_to_classical": to_classical,
        } | self._judge_record()

    def answers(
        self, arm: RecipeArm | DegradedArm | ClassicalArm, spec: str
    ) -> Iterator[tuple[CleanPicture, dict, Path]]:
        """Yield the results of an arm so far: the picture, the content of the unit's JSON file, and the PNG file."""
        for picture in self.pictures:
            unit = self._unit(arm, spec, picture)
            content = unit.read()
            if content is not None:
                yield picture, content, unit.picture_path

    def observation(self, picture: CleanPicture, spec: str) -> Observation:
        """Return the observation of a picture, rounded to 8 bits, with the original at the prior's resolution."""
        return self._observe(DegradedArm(), spec, picture)

    def _units(self) -> Iterator[tuple[RecipeArm | DegradedArm | ClassicalArm, Unit]]:
        """Yield all units with their arms. Raises OutputError if a file of a unit belongs to another evaluation."""
        for spec in self.degradations:
            for arm in self.arms:
                for picture in self.pictures:
                    unit = self._unit(arm, spec, picture)
                    unit.read()
                    yield arm, unit

    def _unit(self, arm, spec: str, picture: CleanPicture) -> Unit:
        """Return a unit of work; the keys and values of its identity must not change between versions."""
        common = {
            "arm": arm.name,
            "degradation": spec,
            "picture": picture.name,
            "sha256": picture.sha256,
            "seed": self.seed,
        }
        label = {"class": self._class_of(picture)} if arm.steps else {}
        fit = {} if self.fit == "auto" else {"fit": self.fit}
        plugins = {"plugins": [p["sha256"] for p in self.plugins]} if self.plugins else {}
        truth = {} if self.truth is None else {"truth": self.truth}
        return Unit(self.folder, common | label | fit | truth | plugins | arm.identity())

    def _verdicts(self, arm, spec: str) -> dict[str, dict[str, float]]:
        """Return the judge's verdicts on the stored answers of an arm, by picture."""
        if self.judge is None:
            return {}
        answers = [(picture, path) for picture, _, path in self.answers(arm, spec)]
        found = self.judge.verdicts((to_rgb(open_picture(path)), picture.folder) for picture, path in answers)
        return {picture.name: verdict for (picture, _), verdict in zip(answers, found, strict=True)}

    def _judge_record(self) -> dict:
        """Return the judge's record, with its verdicts on the originals, which are an upper bound for answers."""
        if self.judge is None:
            return {}
        found = self.judge.verdicts(
            (to_pil(self.observation(p, self.degradations[0]).original), p.folder) for p in self.pictures
        )
        originals = statistics.means({p.name: v for p, v in zip(self.pictures, found, strict=True)})
        judge = {"name": self.judge.name, "sha256": self.judge.sha256, "about": self.judge.about}
        return {"judge": judge | {"originals": originals}}

    def _class_of(self, picture: CleanPicture) -> int | None:
        """Return the number of the class that is given to the recipes, or None if they have to find it."""
        info = self.prior.generator.info
        if self.label == "auto" or (self.label == "folder" and not info.classes):
            return None
        if self.label != "folder":
            return info.class_index(self.label)
        try:
            return info.class_index(picture.folder)
        except ValueError as error:
            raise InputError(f"{picture.name}: its folder names no class ({error}); use --class auto") from error

    def _observe(self, arm, spec: str, picture: CleanPicture) -> Observation:
        return observe(
            picture.picture,
            spec,
            self.prior,
            label=self._class_of(picture),
            simulate=True,
            truth=self.truth,
            fit=self.fit,
            target=arm.target,
            find_class=arm.finds_class,
            seed=self.seed,
        )

    def _gallery(self, spec: str) -> Image.Image:
        """Return the observed picture, the answers and the original of each picture, in rows."""
        arms = [arm for arm in self.arms if arm.name != DegradedArm.name]
        rows = []
        for picture in self.pictures[: sheets.MOST_ROWS]:
            observation = self.observation(picture, spec)
            answers = [to_rgb(open_picture(self._unit(arm, spec, picture).picture_path)) for arm in arms]
            rows.append([observation.picture, *answers, to_pil(observation.original)])
        return sheets.gallery(["observed", *(arm.name for arm in arms), "original"], rows)

    def __repr__(self) -> str:
        pictures, specs = pluralise(len(self.pictures), "picture"), join_first(list(self.degradations))
        about = f"{pictures}, {specs}, recipes {join_first(list(self.recipes))} on {self.prior.name}"
        return shorten(f"Evaluation: {about} -> {self.folder}")
