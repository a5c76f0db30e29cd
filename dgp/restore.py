"""Observation -> search -> stages -> restoration. The page to read first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import generators
from degradations import Degradation
from dgp.inversion import Inversion, Step
from dgp.observation import observe
from dgp.progress import display, followed
from dgp.recipe import Recipe, load_recipe
from dgp.restoration import Restoration
from generators import Prior

load_prior = display()(generators.load)


def restore(
    picture,
    degradation: str | Degradation = "identity",
    prior: Prior | str | Path | None = None,
    *,
    recipe: str | Recipe = "default",
    overrides: tuple[str, ...] = (),
    label: str | int | None = None,
    seed: int = 0,
    num_solutions: int = 1,
    simulate: bool = False,
    truth: str | Degradation | None = None,
    fit: str = "auto",
    weight=None,
    device: str = "cpu",
    on_step: Callable[[Step], None] | None = None,
    progress: bool | None = None,
) -> Restoration:
    """Restores one degraded picture.

    Args:
        picture: path, PIL image, array (H, W[, 3]) or tensor (3, H, W) in [-1, 1]: the degraded picture,
            or with ``simulate`` a clean one that is degraded first, so that metrics can be measured.
        degradation: the operator that damaged it, or its spec: "gray", "inpaint:mask=hole.png", "sr:4", "gray+sr:2".
        prior: a Prior, or what ``generators.load`` takes; the bundled ``biggan-cifar10`` if None.
        recipe, overrides: the method, and ``key=value`` texts that change it.
        label: class name or number where the prior has classes; None searches over all of them.
        seed: equal seeds give equal answers.  num_solutions: independent answers, best first.
        truth: with ``simulate`` what really degrades it, where ``degradation`` is another, or leaves it open.
        fit: "auto", "crop", "pad", "stretch" or "object", how the picture meets the prior's resolution.
        weight: how much each pixel of the picture counts, such as an object's mask: see ``observe``.
        device: "auto", "cpu" or "cuda".
        on_step: called with every Step.
        progress: whether a bar is shown on stderr; None shows it on a terminal and in a notebook.

    Raises InputError, RecipeError, degradations.DegradationError or generators.GeneratorError, one line each.
    """
    begin = time.perf_counter()
    with display(progress, Path(picture).name if isinstance(picture, str | os.PathLike) else "picture"):
        if not isinstance(prior, Prior):
            prior = generators.load(prior or generators.DEFAULT)
        recipe = load_recipe(recipe, overrides)
        load_s = time.perf_counter() - begin
        observation = observe(
            picture,
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
        inversion = Inversion(observation, prior, recipe, seed=seed, num_solutions=num_solutions, device=device)
        for step in followed(inversion):
            if on_step:
                on_step(step)
        result = inversion.result()
    result.spent("load_s", load_s + result.timing["load_s"])
    return result
