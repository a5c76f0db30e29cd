"""The answer: pictures, variables, weight changes, trace and measurements; and the files that it leaves."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from degradations import Degradation, Inpaint
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.observation.figures import encode_png, figures_html, join_with_captions, resize_for_screen
from dgp.observation.images import to_pil
from dgp.observation.observation import Observation
from dgp.output.run_folder import RESULT, existing_files, prepare_folder, to_json
from dgp.output.run_record import in_words, record_of
from dgp.output.spread import Spread
from dgp.progress import display
from generators.brief import clipped, counted
from generators.progress import waiting

if TYPE_CHECKING:
    from dgp.recipes.recipe import Recipe
    from generators import Prior

BEHIND = "variable/"  # before the names of what was optimised in place of inputs, in latents.safetensors


@dataclass(eq=False)
class Restoration:
    """S answers to one observation, the best by the last stage's objective first.

    tensors: (S, 3, R, R) in [-1, 1], after the recipe's finish.  prior_tensors: the same before it.
    scores: the objective of each.
    latents: the generator's inputs by name, each (S, ...).
    variables: what was optimised in place of inputs, by name, each (S, ...); may be empty.
    weights: released parameters by name, each (S, ...); may be empty.
    trace: one dict a recorded step.  metrics, fidelity: of the best; see `dgp.output.metrics`.
    evaluations: {"forward", "backward", "cost"}, see ``Evaluations``.  timing: seconds, as in a result file.
    covers: (S, 1, R, R) in [0, 1], how much of each pixel of the answers the generator made; None: all.
    recipe: what ran, mapped onto the prior.  notes: what the mapping changed, and which answers are not good enough.
    accepted: of each answer, whether the recipe's ``accept`` calls it good enough; None where the recipe has none.
    start: of a warm one, its origin.
    found: the degradation's unknown parameters as each answer has them, by name.
    folder: where it was last saved, or None.
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
    variables: dict[str, Tensor] = field(default_factory=dict)
    accepted: Sequence[bool] | None = None
    found: dict[str, list[float]] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def tensor(self) -> Tensor:
        """(3, R, R) in [-1, 1], the best answer."""
        return self.tensors[0]

    @property
    def prior_tensor(self) -> Tensor:
        """(3, R, R) in [-1, 1], the best answer as the generator gave it."""
        return self.prior_tensors[0]

    @property
    def image(self) -> Image.Image:
        """The best answer at the input's own size."""
        return self.solutions[0]

    @functools.cached_property
    def prior_image(self) -> Image.Image:
        """The best answer as the generator gave it, R x R."""
        return to_pil(self.prior_tensor)

    @functools.cached_property
    @waiting("bringing the answer to the input's size")
    def solutions(self) -> list[Image.Image]:
        """All answers at the input's own size, the best first."""
        covers = [None] * len(self.tensors) if self.covers is None else self.covers
        finish = self.recipe.finish
        return [finish.picture(t, self.observation, cover) for t, cover in zip(self.tensors, covers, strict=True)]

    @functools.cached_property
    def spread(self) -> Spread | None:
        """How far several answers are apart; None for a single one."""
        return Spread.from_images(self.solutions) if len(self.tensors) > 1 else None

    @property
    def comparison(self) -> Image.Image:
        """Observed, restored and, where it is known, original, side by side under their names."""
        return join_with_captions(self._shown())

    @functools.cached_property
    def classes(self) -> list[int] | None:
        """The class of each answer: the one that was asked for, else the one whose embedding is nearest to its own.

        None for a prior without classes, and where no input of the generator tells it, as in w.
        """
        generator, value = self.prior.generator, self.latents.get("class")
        count = len(generator.info.classes)
        if not count:
            return None
        if self.observation.label is not None:
            return [self.observation.label] * len(self.tensors)
        if value is None:
            return None
        table = generator.embed(torch.arange(count)).reshape(count, -1).cpu().double()
        return torch.cdist(value.reshape(len(value), -1).double(), table).argmin(1).tolist()

    def spent(self, on: str, seconds: float) -> None:
        """Enter an item of ``timing`` ("load_s", "save_s", ...), in place of what it was before, into the total too."""
        self.timing["total_s"] += seconds - self.timing.get(on, 0.0)
        self.timing[on] = seconds

    def record(self, argv: Sequence[str] = ()) -> dict:
        """The object that result.json holds and `--json` prints; valid JSON, without NaN and Infinity."""
        return record_of(self, argv)

    @display()
    def save(self, folder: str | os.PathLike, argv: Sequence[str] = ()) -> Path:
        """Writes all files of a run, result.json last: a folder that has one is complete. Returns the folder.

        What an earlier run left there under the same names is removed first. Raises OutputError.
        """
        begin = time.perf_counter()
        self.folder = folder = prepare_folder(folder)
        record, contents = self.record(argv), self._contents()
        for stale in existing_files(folder):
            stale.unlink()
        if (several := folder / "solutions").is_dir() and not any(several.iterdir()):
            several.rmdir()
        if any(name.startswith("solutions/") for name in contents):
            prepare_folder(folder / "solutions")
        with waiting("writing the files"):
            for name, data in contents.items():
                write_bytes_atomic(folder / name, data)
        self.spent("save_s", time.perf_counter() - begin)
        write_json_atomic(folder / RESULT, record | {"timing": to_json(self.timing)})
        return folder

    @waiting("compressing the pictures")
    def _contents(self) -> dict[str, bytes]:
        """The files by name, all but result.json."""
        from safetensors.torch import save

        source = self.observation.source.image
        # A profile of grey or CMYK values would be wrong for the RGB that is written.
        profile = source.info.get("icc_profile") if source.mode in ("RGB", "RGBA", "P") else None
        files = {
            "restored.png": encode_png(self.image, icc_profile=profile),
            "restored_prior.png": encode_png(self.prior_image, icc_profile=profile),
            "observed.png": encode_png(self.observation.picture),
            "comparison.png": encode_png(self.comparison, icc_profile=profile),
        }
        if (proposed := proposed_mask(self.observation.whole)) is not None:
            files["mask.png"] = encode_png(mask_picture(proposed))
        if len(self.solutions) > 1:
            for number, image in enumerate(self.solutions):
                files[f"solutions/{number:02}.png"] = encode_png(image, icc_profile=profile)
            files["mean.png"], files["spread.png"] = encode_png(self.spread.mean), encode_png(self.spread.picture)
        about = {
            "schema": "1",
            "prior": self.prior.name,
            "prior_sha256": self.prior.sha256,
            "recipe_sha256": self.recipe.sha256,
            "charts": json.dumps({name: chart.model_dump(mode="json") for name, chart in self.recipe.charts.items()}),
        }
        behind = {f"{BEHIND}{name}": value for name, value in self.variables.items()}
        for name, tensors in (("latents", self.latents | behind), ("weights", self.weights)):
            if tensors:
                files[f"{name}.safetensors"] = save(
                    {k: v.detach().cpu().contiguous() for k, v in tensors.items()}, about
                )
        files["trace.jsonl"] = "".join(
            json.dumps(to_json(step), allow_nan=False) + "\n" for step in self.trace
        ).encode()
        return files

    def _shown(self) -> dict[str, Image.Image]:
        shown = {"observed": self.observation.picture, "restored": self.image}
        if self.observation.original is not None:
            shown["original"] = to_pil(self.observation.original)
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
        what = f"{clipped(observation.source.path or 'a picture', 100)} ({clipped(observation.asked, 80)})"
        lines = [f"Restoration of {what} by {self.recipe.name} on {self.prior.name}, seed {self.seed}"]
        facts = [f"{width}x{height} px", counted(len(self.tensors), "solution")]
        if self.classes is not None:
            facts.append(f"class {self.prior.generator.info.classes[self.classes[0]]}")
        lines.append("  " + ", ".join([*facts, *in_words(self.metrics, self.fidelity)]))
        return "\n".join(lines if self.folder is None else [*lines, f"  saved in {clipped(str(self.folder), 80)}"])


def proposed_mask(operator: Degradation) -> Tensor | None:
    """(H, W) bool: what ``inpaint:mask=auto`` found missing, to be corrected and given as a file; or None."""
    links = [link for link in operator.modules() if isinstance(link, Inpaint) and link.mask == "auto"]
    return links[0].missing[0, 0] if links else None


def mask_picture(missing: Tensor) -> Image.Image:
    """(H, W) bool -> a mask file's picture, white where something is missing."""
    return Image.fromarray(np.where(missing.cpu().numpy(), 255, 0).astype(np.uint8))
