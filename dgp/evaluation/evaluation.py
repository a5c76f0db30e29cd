"""The comparison itself: pictures x degradations x arms, in units that are done once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from PIL import Image

from dgp.errors import InputError
from dgp.evaluation import sheets, statistics
from dgp.evaluation.arms import MEASURED, VIEWS, ClassicalArm, DegradedArm, RecipeArm
from dgp.evaluation.baselines import mean_chroma
from dgp.evaluation.judge import Judge
from dgp.evaluation.source import CleanPicture
from dgp.evaluation.units import Unit, plain_name
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.observation.figures import encode_png
from dgp.observation.images import to_pil
from dgp.observation.observation import Observation, observe
from dgp.planning.adapt import map_recipe
from dgp.recipes.recipe import Recipe
from generators import Prior, randomised
from generators.brief import clipped, counted, listed

GROUP = 10  # pictures that are inverted together
RANDOM = "random weights"


@dataclass(frozen=True)
class Evaluation:
    """Recipes, by the name that the tables give them, on the same clean pictures.

    pictures: see ``Source``.  degradations: specs.  folder: where units and tables go.
    label: "folder" (a picture's folder names its class), "auto" (searched for), or one class for all.
    fit: how a picture meets the prior's resolution; "auto" takes the centred square.
    random_weights: every recipe also on a generator of random weights, with the trained discriminator.
    judge: says of each answer whether it is recognised; it looks at the stored pictures, so it may come later.
    truth: the operator that degrades the pictures, where it is another than the one that shall explain them.
    at_once: how many pictures are inverted together; released layers take memory for each.
    baselines: also the degraded input and the classical method.

    The first recipe is the one that all others are compared to. ``check()`` refuses what can be refused,
    ``run()`` does what is still to be done, ``write()`` makes the tables.
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
        shared = (self.seed, self.num_solutions, self.device)
        engines = [
            RecipeArm(name, recipe, self.prior, self.prior.sha256, *shared) for name, recipe in self.recipes.items()
        ]
        if self.random_weights:
            blank = randomised(self.prior, self.seed)
            # Named by what they are made from: their last digits differ from one machine to the next.
            key = f"{RANDOM}, seed {self.seed}, of {self.prior.sha256}"
            engines += [RecipeArm(f"{e.name} ({RANDOM})", e.recipe, blank, key, *shared) for e in engines]
        if not self.baselines:
            return engines
        return [*engines, DegradedArm(), ClassicalArm(mean_chroma(self.prior), self.prior.sha256)]

    def check(self) -> None:
        """Refuses what can be refused, before any work; each error is one line."""
        for name, recipe in self.recipes.items():
            map_recipe(recipe, self.prior)
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
    def work(self) -> int:
        """Picture steps still to be made."""
        return sum(arm.steps for arm, unit in self._units() if unit.read() is None)

    @property
    def todo(self) -> int:
        """Units still to be made."""
        return sum(unit.read() is None for _, unit in self._units())

    def run(self, on_step: Callable[[int, str], None] = lambda count, doing: None) -> None:
        """Does what is not done yet, in groups; ``on_step(count, doing)``: so many pictures made a step."""
        for spec in self.degradations:
            for arm in self.arms:
                todo = [p for p in self.pictures if self._unit(arm, spec, p).read() is None]
                for first in range(0, len(todo), self.at_once):
                    group = todo[first : first + self.at_once]
                    observations = [self._observe(arm, spec, picture) for picture in group]
                    found = arm.run(observations, lambda n, doing=f"{spec}, {arm.name}": on_step(n, doing))
                    for picture, finding in zip(group, found, strict=True):
                        self._unit(arm, spec, picture).write(to_pil(finding.tensor), finding.content)

    def write(self) -> dict:
        """Writes table.md, gallery-<degradation>.png and, last, summary.json; returns what that holds."""
        summary = self.summary()
        write_bytes_atomic(self.folder / "table.md", sheets.table(summary).encode())
        for spec in self.degradations:
            write_bytes_atomic(self.folder / f"gallery-{plain_name(spec)}.png", encode_png(self._gallery(spec)))
        write_json_atomic(self.folder / "summary.json", summary)
        return summary

    def summary(self) -> dict:
        """Means with intervals of every arm, and paired differences to the first and to the classical one.

        The mean of the solutions, the latents alone and the picture before the finish count as arms as well.
        """
        results, to_first, to_classical = {}, {}, {}
        for spec in self.degradations:
            values: dict[str, dict[str, dict]] = {}
            for arm in self.arms:
                own = {p.name: _numbers(self._unit(arm, spec, p).read()) for p in self.pictures}
                for name, verdict in self._verdicts(arm, spec).items():
                    own[name] |= verdict
                values |= _views(arm.name, own)
            results[spec] = {name: statistics.means(own) for name, own in values.items()}
            to_first[spec] = _differences(values, self.arms[0].name)
            to_classical[spec] = _differences(values, ClassicalArm.name) if self.baselines else {}
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
        } | self._about_judge()

    def answers(
        self, arm: RecipeArm | DegradedArm | ClassicalArm, spec: str
    ) -> Iterator[tuple[CleanPicture, dict, Path]]:
        """What an arm has made of the pictures so far: (picture, what its unit says, the answer as an 8-bit file)."""
        for picture in self.pictures:
            unit = self._unit(arm, spec, picture)
            content = unit.read()
            if content is not None:
                yield picture, content, unit.picture_path

    def observation(self, picture: CleanPicture, spec: str) -> Observation:
        """What a file of the degraded picture would hold, with the original at the prior's resolution."""
        return self._observe(DegradedArm(), spec, picture)

    def _units(self) -> Iterator[tuple[RecipeArm | DegradedArm | ClassicalArm, Unit]]:
        """All units, each compared with what lies in its place (OutputError)."""
        for spec in self.degradations:
            for arm in self.arms:
                for picture in self.pictures:
                    unit = self._unit(arm, spec, picture)
                    unit.read()
                    yield arm, unit

    def _unit(self, arm, spec: str, picture: CleanPicture) -> Unit:
        common = {
            "arm": arm.name,
            "degradation": spec,
            "picture": picture.name,
            "sha256": picture.sha256,
            "seed": self.seed,
        }
        told = {"class": self._class_of(picture)} if arm.steps else {}
        fitted = {} if self.fit == "auto" else {"fit": self.fit}
        plugins = {"plugins": [p["sha256"] for p in self.plugins]} if self.plugins else {}
        truth = {} if self.truth is None else {"truth": self.truth}
        return Unit(self.folder, common | told | fitted | truth | plugins | arm.identity())

    def _verdicts(self, arm, spec: str) -> dict[str, dict[str, float]]:
        """What the judge says of the pictures that an arm has left, by picture."""
        if self.judge is None:
            return {}
        answers = [(picture, path) for picture, _, path in self.answers(arm, spec)]
        found = self.judge.verdicts((Image.open(path).convert("RGB"), picture.folder) for picture, path in answers)
        return {picture.name: verdict for (picture, _), verdict in zip(answers, found, strict=True)}

    def _about_judge(self) -> dict:
        """Who judged, and the most that can be asked of an answer: what is said of the originals."""
        if self.judge is None:
            return {}
        found = self.judge.verdicts(
            (to_pil(self.observation(p, self.degradations[0]).original), p.folder) for p in self.pictures
        )
        originals = statistics.means({p.name: v for p, v in zip(self.pictures, found, strict=True)})
        judge = {"name": self.judge.name, "sha256": self.judge.sha256, "about": self.judge.about}
        return {"judge": judge | {"originals": originals}}

    def _class_of(self, picture: CleanPicture) -> int | None:
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
            seed=self.seed,
        )

    def _gallery(self, spec: str) -> Image.Image:
        shown = [arm for arm in self.arms if arm.name != DegradedArm.name]
        rows = []
        for picture in self.pictures[: sheets.MOST_ROWS]:
            observation = self.observation(picture, spec)
            answers = [Image.open(self._unit(arm, spec, picture).picture_path).convert("RGB") for arm in shown]
            rows.append([observation.picture, *answers, to_pil(observation.original)])
        return sheets.gallery(["observed", *(arm.name for arm in shown), "original"], rows)

    def __repr__(self) -> str:
        pictures, specs = counted(len(self.pictures), "picture"), listed(list(self.degradations))
        about = f"{pictures}, {specs}, recipes {listed(list(self.recipes))} on {self.prior.name}"
        return clipped(f"Evaluation: {about} -> {self.folder}")


def _numbers(content: dict | None) -> dict[str, float | None]:
    """metric -> value of a finished unit."""
    if content is None:
        return {}
    numbers = {name: entry["value"] for name, entry in content["metrics"].items()}
    return numbers | {"observation_psnr": content["fidelity"]["observation_psnr"]}


def _views(name: str, values: Mapping[str, dict]) -> dict[str, dict[str, dict]]:
    """An arm, and further views of its answers as arms: name -> picture -> metric -> value."""
    endings = {f"{metric}_{ending}": ending for ending in VIEWS for metric in MEASURED}
    plain = {p: {m: v for m, v in own.items() if m not in endings} for p, own in values.items()}
    views = {name: plain}
    for ending, words in VIEWS.items():
        own = {p: {m: v[f"{m}_{ending}"] for m in MEASURED if f"{m}_{ending}" in v} for p, v in values.items()}
        if any(own.values()):
            views[f"{name}, {words}"] = own
    return views


def _differences(values: Mapping[str, dict], reference: str) -> dict[str, dict]:
    return {name: statistics.differences(own, values[reference]) for name, own in values.items() if name != reference}
