"""The answer of a run: pictures, variables, weight changes, trace and measurements."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from torch import Tensor

from dgp.observation.figures import encode_png, figures_html, join_with_captions, resize_for_screen
from dgp.observation.images import to_pil
from dgp.observation.observation import Observation
from dgp.output.class_choice import ClassChoice, choose_class
from dgp.output.describe import describe_measurements
from dgp.output.full_size import FullSize, measure_at_full_size
from dgp.output.spread import Spread
from dgp.recipes.schema import Recipe
from dgp.variables.classes import nearest_classes
from generators import Prior
from generators.progress import waiting
from generators.text import pluralise, shorten


@dataclass(eq=False)
class Answer:
    """S answers to one observation, the best by the objective of the last stage first.

    Attributes:
        observation: what was explained.
        tensors: pictures after the recipe's finish, (S, 3, R, R) in [-1, 1].
        prior_tensors: the generator's pictures, before the finish, (S, 3, R, R) in [-1, 1].
        scores: objective of each.
        latents: inputs of the generator by name, each (S, ...).
        variables: values that were optimised in the place of inputs, by name, each (S, ...); may be empty.
        weights: released parameters by name, each (S, ...); may be empty.
        trace: one dict for each recorded step.
        metrics, fidelity: of the best; see `dgp.output.metrics`.
        evaluations: {"forward", "backward", "cost"}, see ``Evaluations``.
        timing: seconds, as in a result file.
        recipe: the recipe that ran, adapted to the prior.
        prior, seed, num_solutions, device, precision: how it ran.
        covers: how much of each pixel of the answers the generator made, (S, 1, R, R) in [0, 1]; None: all of it.
        notes: what was changed to make the recipe run, and which answers are not good enough.
        start: record of the warm start, or None.
        start_classes: the class in which each answer started, where an input of the generator showed it, or None.
        accepted: of each answer, whether it is good enough by the recipe's ``accept``; None where that is absent.
        found: the degradation's unknown parameters as each answer has them, by name.
        threads: CPU threads that computed it; None: not known.
        deterministic: whether PyTorch computed deterministically (`dgp.process.determinism`).
        memory: how many rows were rendered at once, and what gave way where memory was short (``MemoryPlan.record``).
        diverged: "solution", "stage" and "iteration" of each answer that stopped as its objective became NaN or
            infinite.
        plugins: path, sha256 and names of the plugin files of the call.
        unit: id of the unit of work (`dgp.runs.unit`); None for a run of the library.
        folder: where it was last saved, or None.
        windows: the results for further windows of the photograph, each around holes or a face of its own.
    """

    observation: Observation
    tensors: Tensor
    prior_tensors: Tensor
    scores: list[float]
    latents: dict[str, Tensor]
    weights: dict[str, Tensor]
    trace: list[dict]
    metrics: dict[str, dict]
    fidelity: dict
    evaluations: dict[str, int]
    timing: dict
    recipe: Recipe
    prior: Prior
    seed: int = 0
    num_solutions: int = 1
    device: str = "cpu"
    precision: str = "fp32"
    covers: Tensor | None = None
    notes: Sequence[str] = ()
    start: dict | None = None
    start_classes: list[int] | None = None
    variables: dict[str, Tensor] = field(default_factory=dict)
    accepted: Sequence[bool] | None = None
    found: dict[str, list[float]] = field(default_factory=dict)
    threads: int | None = None
    deterministic: bool = False
    memory: dict = field(default_factory=dict)
    diverged: Sequence[dict] = ()
    plugins: Sequence[dict] = ()
    unit: str | None = None
    folder: Path | None = None
    windows: Sequence[Answer] = ()

    @property
    def status(self) -> str:
        """Return "diverged" if the best answer, or that of a window, diverged, else "done"."""
        return "diverged" if any(one["solution"] == 0 for w in (self, *self.windows) for one in w.diverged) else "done"

    @property
    def tensor(self) -> Tensor:
        """The best answer, (3, R, R) in [-1, 1]."""
        return self.tensors[0]

    @property
    def prior_tensor(self) -> Tensor:
        """The best answer before the finish, as the generator made it, (3, R, R) in [-1, 1]."""
        return self.prior_tensors[0]

    @property
    def image(self) -> Image.Image:
        """The best answer at the input's own size."""
        return self.solutions[0]

    @functools.cached_property
    def prior_image(self) -> Image.Image:
        """The best answer before the finish, as the generator made it, R x R."""
        return to_pil(self.prior_tensor)

    @functools.cached_property
    @waiting("bringing the answer to the input's size")
    def solutions(self) -> list[Image.Image]:
        """All answers at the input's own size, the best first."""
        covers = [None] * len(self.tensors) if self.covers is None else self.covers
        finish = self.recipe.finish
        own = [finish.picture(t, self.observation, cover) for t, cover in zip(self.tensors, covers, strict=True)]
        for window in self.windows:
            for whole, part in zip(own, window.solutions, strict=False):
                window.observation.geometry.add_to(whole, part)
        return own

    def compose(self) -> None:
        """Bring the answers to the input's size now, rather than when they are first asked for."""
        _ = self.solutions

    @functools.cached_property
    def full_size(self) -> FullSize | None:
        """Measurements of the best answer at the photograph's own size; None where there is no such photograph."""
        return measure_at_full_size(self.observation, self.image)

    @functools.cached_property
    def spread(self) -> Spread | None:
        """How much several answers differ; None for a single one."""
        return Spread.from_images(self.solutions) if len(self.tensors) > 1 else None

    @property
    def comparison(self) -> Image.Image:
        """Observed, restored and, if known, original picture, side by side with captions."""
        return join_with_captions(self._shown())

    @functools.cached_property
    def classes(self) -> list[int] | None:
        """The class of each answer, or None for a prior without classes.

        The given one; otherwise that of the nearest embedding; otherwise, where no input of the generator shows the
        class, as in w, the one in which the answer started, if that is known.
        """
        generator, value = self.prior.generator, self.latents.get("class")
        if not generator.info.classes:
            return None
        if self.observation.label is not None:
            return [self.observation.label] * len(self.tensors)
        return self.start_classes if value is None else nearest_classes(generator, value).tolist()

    @functools.cached_property
    def class_choice(self) -> ClassChoice | None:
        """Which classes were considered, how probable they were, and which one the best answer has."""
        return choose_class(self.observation, self.prior.generator.info.classes, self.classes)

    def spent(self, on: str, seconds: float) -> None:
        """Set an item of ``timing`` ("load_s", "save_s", ...), and correct the total."""
        self.timing["total_s"] += seconds - self.timing.get(on, 0.0)
        self.timing[on] = seconds

    def _shown(self) -> dict[str, Image.Image]:
        shown = {"observed": self.observation.picture, "restored": self.image}
        if self.observation.original is not None:
            shown["original"] = self.observation.clean or to_pil(self.observation.original)
        return shown

    def _repr_png_(self) -> bytes:
        return encode_png(resize_for_screen(self.image))

    def _repr_html_(self) -> str:
        numbers = [f"{name} {entry['value']:.2f}" for name, entry in self.metrics.items() if entry["value"] is not None]
        return figures_html(
            self._shown(),
            ", ".join([self.observation.asked, self.recipe.name, f"seed {self.seed}", *numbers]),
        )

    def __repr__(self) -> str:
        observation, (width, height) = self.observation, self.observation.geometry.output_size
        what = f"{shorten(observation.source.path or 'a picture', 100)} ({shorten(observation.asked, 80)})"
        lines = [f"Restoration of {what} by {self.recipe.name} on {self.prior.name}, seed {self.seed}"]
        facts = [f"{width}x{height} px", pluralise(len(self.tensors), "solution")]
        if self.class_choice is not None:
            facts.append(f"class {self.class_choice}")
        # What takes seconds is only shown if it was computed already, as when the result was saved.
        full_size, resolution = (
            self.__dict__.get("full_size"),
            observation.geometry.__dict__.get("effective_resolution"),
        )
        measured = describe_measurements(
            self.metrics, self.fidelity, full_size and full_size.record(), resolution and resolution.record()
        )
        lines.append("  " + ", ".join([*facts, *measured]))
        return "\n".join(lines if self.folder is None else [*lines, f"  saved in {shorten(str(self.folder), 80)}"])
