"""Observation -> search -> stages -> restoration. The page to read first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import generators
from degradations import Degradation
from dgp.device import resolve_device
from dgp.errors import InputError
from dgp.inversion import Inversion, Step
from dgp.observation.observation import Observation, observe
from dgp.output.restoration import Restoration
from dgp.progress import display, report_steps
from dgp.recipes.overrides import Overrides, parse_overrides
from dgp.recipes.recipe import Recipe, load_recipe
from dgp.warm_start import Source, source_of_each
from generators import Prior

load_prior = display()(generators.load)


def restore(
    picture,
    degradation: str | Degradation = "identity",
    prior: Prior | str | Path | None = None,
    *,
    recipe: str | Recipe = "default",
    overrides: Overrides = (),
    label: str | int | None = "auto",
    budget: int | None = None,
    seed: int = 0,
    num_solutions: int = 1,
    simulate: bool = False,
    truth: str | Degradation | None = None,
    start: Source | Sequence[Source] | None = None,
    fit: str = "auto",
    weight=None,
    merge: bool = True,
    device: str = "auto",
    on_step: Callable[[Step], None] | None = None,
    progress: bool | None = None,
) -> Restoration | list[Restoration]:
    """Restore one degraded picture, or each of several.

    Args:
        picture: path, PIL image, array (H, W[, 3]) of uint8 or of floats in [0, 1], or tensor (3, H, W) of floats in
            [-1, 1]: the degraded picture, or with ``simulate`` a clean one that is degraded first, so that metrics can
            be measured. Several: a list or tuple of such; each is a run of its own, as in a call of its own.
        degradation: the operator that damaged it, or its spec: "gray", "inpaint:mask=hole.png", "sr:4", "gray+sr:2".
        prior: a Prior, or what ``generators.load`` takes; the bundled ``biggan-cifar10`` if None.
        recipe: the method.  overrides: what changes it (``--set`` on the command line), "key=value" or several such.
        label: class name or number (``--class`` on the command line) where the prior has classes; "auto" and None
            search over all of them.
        budget: what an answer may cost, in passes through a network (forward 1, forward and backward 3): steps and
            candidates are scaled so; None: what the recipe says.
        seed: equal seeds give equal answers.  num_solutions: independent answers, best first.
        truth: with ``simulate`` what really degrades it, where ``degradation`` is another, or leaves it open.
        start: where to begin instead of searching: an earlier Restoration or its folder; for several pictures a
            sequence with one for each.
        fit: "auto", "crop", "pad", "stretch" or "object", how the picture meets the prior's resolution.
        weight: how much each pixel of the picture counts, such as an object's mask: see ``observe``.
        merge: whether the answer is made to agree with what was observed, where the recipe ends so.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        on_step: called with every Step. Of several pictures, ``step.picture`` is the place in the list.
        progress: whether a bar is shown on stderr; None shows it on a terminal and in a notebook.

    Returns a Restoration, or a list of them in the order of the pictures. Several are all opened and checked before
    the first is run.

    Raises InputError, RecipeError, degradations.DegradationError or generators.GeneratorError, one line each.
    """
    begin = time.perf_counter()
    device = resolve_device(device)
    several = isinstance(picture, list | tuple)
    pictures = list(picture) if several else [picture]
    if not pictures:
        raise InputError("got an empty list, expected at least one picture")
    with display(progress, "pictures" if several else name_of(picture)):
        if not isinstance(prior, Prior):
            prior = generators.load(prior or generators.DEFAULT)
        recipe = load_recipe(recipe, parse_overrides(overrides, budget))
        recipe = recipe if merge else recipe.unmerged()
        load_s = (time.perf_counter() - begin) / len(pictures)
        observations = [
            observe(
                one,
                degradation,
                prior,
                label=label,
                simulate=simulate,
                truth=truth,
                fit=fit,
                target=recipe.target,
                weight=weight,
                seed=seed,
            )
            for one in pictures
        ]
        starts = source_of_each(start, len(pictures)) if several else [start]

    def run(number: int, observation: Observation) -> Restoration:
        name = name_of(observation.source.path)
        name = f"{name} ({number + 1}/{len(pictures)})" if several else name
        with display(progress, name):
            inversion = Inversion(
                observation, prior, recipe, seed=seed, num_solutions=num_solutions, start=starts[number], device=device
            )
            for step in report_steps(inversion):
                if on_step:
                    on_step(replace(step, picture=step.picture + number))
            result = inversion.result()
        result.spent("load_s", load_s + result.timing["load_s"])
        return result

    results = [run(number, observation) for number, observation in enumerate(observations)]
    return results if several else results[0]


def name_of(picture: object) -> str:
    """Return what a picture is called while one waits: its file's name, where it has one."""
    return Path(picture).name if isinstance(picture, str | os.PathLike) else "picture"
