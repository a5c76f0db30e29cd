"""The front door: open a picture, observe it, invert it. The page to read first."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import generators
from degradations import Degradation
from dgp.checkpoint.autosave import Autosave
from dgp.classify.find import find_classes
from dgp.device import resolve_device
from dgp.engine.stage import StepOutput
from dgp.errors import InputError
from dgp.faces.detector import DEFAULT, FaceDetector
from dgp.identify.auto import AUTO, observe_auto
from dgp.identify.estimate import estimate_unknowns
from dgp.inversion import Inversion
from dgp.observation.full_size.resolution_notes import describe_lack_of_detail
from dgp.observation.observation import Observation
from dgp.observation.prepare import prepare
from dgp.output.restoration import Restoration
from dgp.planning.stand_in import find_stand_in
from dgp.process.determinism import deterministic as computing
from dgp.progress import display, report_steps
from dgp.recipes.load import load_recipe
from dgp.recipes.overrides import Overrides, parse_overrides
from dgp.recipes.schema import Recipe
from dgp.warm_start import Source, source_of_each
from generators import Prior

load_prior = display()(generators.load)


@display()
def observe(
    picture,
    degradation: str | Degradation,
    prior: Prior,
    *,
    label: str | int | None = None,
    simulate: bool = False,
    simulate_at: str = "prior",
    truth: str | Degradation | None = None,
    fit: str = "auto",
    target: str = "file",
    weight=None,
    align: str = "none",
    landmarks=None,
    detector: str | FaceDetector = DEFAULT,
    find_class: bool = True,
    seed: int = 0,
) -> Observation:
    """Open a picture and bring it to the prior's resolution.

    Args:
        picture: the degraded picture: path, PIL image, array (H, W[, 3]) of uint8 or of floats in [0, 1], tensor
            (3, H, W) of floats in [-1, 1], or Picture. With ``simulate`` a clean one, which is fitted to the prior's
            resolution (auto: centre square) and degraded there.
        degradation: the operator, or its spec, with strengths in the picture's own pixels; "auto": the likeliest chain
            of damages that the picture shows (``dgp.identify``).
        prior: the prior.
        label: name or number of a class (``--class`` on the command line); None or "auto": to be found.
        simulate: whether the picture is clean and degraded first.
        simulate_at: "prior": it is fitted to the prior's resolution and degraded there; "photo": it is degraded at its
            own size, and then treated as an opened photograph.
        truth: with ``simulate`` the operator that makes y, if it is another than the one that explains it; default:
            that one, with unknown parameters drawn from their ranges by the seed.
        fit: "auto" keeps as much of the picture as its degradation allows: holes are filled in a window, y of x's size
            is stretched, others must be of their size. "crop", "pad" and "stretch" choose another way; "object" works
            in a square around what the weight marks, and leaves the rest of the picture.
        target: whether a simulated y is rounded to 8 bits as a "file" would be, or stays "float".
        weight: how much each pixel counts in terms that compare pixels, white fully and black not at all: a picture of
            the same size, or a tensor in [0, 1] (``dgp.observation.weight_map.open_weight``); None: all alike.
        align: "none"; or "face": each face of the picture is shown upright in a square of its own, placed as in FFHQ,
            and its answer is turned back into the picture, which is kept around it. With ``simulate``, at the prior's
            size, the square of the first face is what is degraded.
        landmarks: with ``align`` those of the faces, in pixels: points (5 or 68, 2), several such, or a file of JSON or
            CSV (``dgp.faces.landmark_files.read_landmarks``); None: the detector finds them.
        detector: name of a face detector (``dgp.faces.detector.DETECTORS``), or one.
        find_class: whether the probabilities of the classes are estimated where none is given (``dgp.classify``).
        seed: of random masks and simulated noise.

    Raises:
        InputError, degradations.DegradationError, generators.ClassError: one line each.
    """
    begin = time.perf_counter()
    options = {
        "label": label,
        "simulate": simulate,
        "simulate_at": simulate_at,
        "truth": truth,
        "fit": fit,
        "target": target,
        "weight": weight,
    }
    if align != "none" and degradation == AUTO:
        raise InputError(f"got degradation {AUTO!r} with align={align!r}; name the degradation")
    aligned = {"align": align, "landmarks": landmarks, "detector": detector}
    if isinstance(degradation, str) and degradation == AUTO:
        found = observe_auto(picture, prior, **options, seed=seed)
    else:
        opened = prepare(picture, degradation, prior, **options, **aligned, seed=seed)
        found = estimate_unknowns(opened, prior, seed=seed)
    if find_class:
        windows = tuple(find_classes(window, prior) for window in found.others)
        found = replace(find_classes(found, prior), others=windows)
    notes = (*found.notes, *describe_lack_of_detail(found, prior))
    return replace(found, notes=notes, seconds=time.perf_counter() - begin)


def invert(
    observation: Observation,
    prior: Prior,
    recipe: str | Recipe = "default",
    *,
    seed: int = 0,
    num_solutions: int = 1,
    start: Source | None = None,
    device: str = "auto",
    on_step: Callable[[StepOutput], None] | None = None,
    autosave: Autosave | None = None,
) -> Restoration:
    """Run an inversion of one observation to its end, and report its progress.

    Arguments are those of ``Inversion``; ``on_step`` is called with every step. With ``autosave`` the run goes on from
    the checkpoint in its folder, and is saved at intervals.

    Raises:
        CheckpointError: the checkpoint is of another run.
        Interrupted: the run was asked to end.
    """
    how = {"seed": seed, "num_solutions": num_solutions, "start": start, "device": device}
    found = None if autosave is None else autosave.read(resolve_device(device))
    if found is None:
        inversion = Inversion(observation, prior, recipe, **how)
    else:
        inversion = Inversion.resume(found, observation, prior, recipe, **how)
        autosave.note(f"goes on from step {inversion.steps_done} of {inversion.steps}")
    with contextlib.nullcontext() if autosave is None else autosave.attend(inversion):
        for step in report_steps(inversion):
            if on_step:
                on_step(step)
    return inversion.result()


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
    simulate_at: str = "prior",
    truth: str | Degradation | None = None,
    start: Source | Sequence[Source] | None = None,
    fit: str = "auto",
    weight=None,
    align: str = "none",
    landmarks=None,
    detector: str | FaceDetector = DEFAULT,
    merge: bool = True,
    device: str = "auto",
    deterministic: bool = False,
    on_step: Callable[[StepOutput], None] | None = None,
    progress: bool | None = None,
) -> Restoration | list[Restoration]:
    """Restore one degraded picture, or each of several.

    Args:
        picture: path, PIL image, array (H, W[, 3]) of uint8 or of floats in [0, 1], or tensor (3, H, W) of floats in
            [-1, 1]: the degraded picture, or with ``simulate`` a clean one that is degraded first, so that metrics can
            be measured. Several: a list or tuple of such; each is a run of its own, as in a call of its own.
        degradation: the operator that damaged it, or its spec: "gray", "inpaint:mask=hole.png", "sr:4", "gray+sr:2".
        prior: a Prior, or what ``generators.load`` takes; the bundled ``biggan-cifar10`` if None.
        recipe: the method.
        overrides: changes of the recipe (``--set`` on the command line), "key=value" or several such.
        label: class name or number (``--class`` on the command line) where the prior has classes; "auto" and None
            look for it: a classifier that is trained once for each degradation states its probabilities.
        budget: what an answer may cost, in passes through a network (forward 1, forward and backward 3); steps and
            candidates are scaled to it. None: as the recipe states.
        seed: equal seeds give equal answers.
        num_solutions: independent answers, best first.
        simulate: whether the picture is clean and degraded first.
        simulate_at: "prior" or "photo", the size at which it is degraded and the answer measured: see ``observe``.
        truth: with ``simulate`` the operator that really degrades it, where ``degradation`` is another or has unknown
            parameters.
        start: where to start instead of searching: an earlier Restoration or its folder; for several pictures a
            sequence with one for each.
        fit: "auto", "crop", "pad", "stretch" or "object": how the picture is brought to the prior's resolution.
        weight: how much each pixel of the picture counts, such as an object's mask: see ``observe``.
        align: "face" restores the faces of the picture, each in a square of its own: see ``observe``.
        landmarks, detector: where the faces are, or what finds them: see ``observe``.
        merge: whether the answer is made to agree with what was observed, where the recipe ends so.
        device: "auto" (CUDA where there is one), "cpu" or "cuda".
        deterministic: whether to compute so that equal calls on equal machines give equal bytes
            (`dgp.process.determinism`); the settings of the process are restored.
        on_step: called with every step; for several pictures ``step.picture`` is the index in the list.
        progress: whether a bar is shown on stderr; None: on a terminal and in a notebook.

    Returns:
        A Restoration, or a list of them in the order of the pictures. Several are all opened and checked before the
        first is run.

    Raises:
        InputError, RecipeError, degradations.DegradationError, generators.GeneratorError: one line each.
    """
    begin = time.perf_counter()
    device = resolve_device(device)
    several = isinstance(picture, list | tuple)
    pictures = list(picture) if several else [picture]
    if not pictures:
        raise InputError("got an empty list, expected at least one picture")
    with computing(deterministic), display(progress, "pictures" if several else name_of(picture)):
        if not isinstance(prior, Prior):
            prior = generators.load(prior or generators.DEFAULT)
        recipe = load_recipe(find_stand_in(recipe, prior), parse_overrides(overrides, budget))
        recipe = recipe if merge else recipe.unmerged()
        load_s = (time.perf_counter() - begin) / len(pictures)
        options = {
            "label": label,
            "simulate": simulate,
            "simulate_at": simulate_at,
            "truth": truth,
            "fit": fit,
            "target": recipe.target,
            "weight": weight,
            "align": align,
            "landmarks": landmarks,
            "detector": detector,
            "seed": seed,
            "find_class": recipe.classes == "likely" and start is None,
        }
        observations = [observe(one, degradation, prior, **options) for one in pictures]
        starts = source_of_each(start, len(pictures)) if several else [start]

    def run(number: int, observation: Observation) -> Restoration:
        def report_step(step: StepOutput) -> None:
            if on_step:
                on_step(replace(step, picture=step.picture + number))

        name = name_of(observation.source.path)
        title = f"{name} ({number + 1}/{len(pictures)})" if several else name
        with computing(deterministic), display(progress, title):
            how = {"seed": seed, "num_solutions": num_solutions, "start": starts[number], "device": device}
            result = invert(observation, prior, recipe, **how, on_step=report_step)
            if deterministic:
                result.compose()
        result.spent("load_s", load_s + result.timing["load_s"])
        return result

    results = [run(number, observation) for number, observation in enumerate(observations)]
    return results if several else results[0]


def name_of(picture: object) -> str:
    """Return the name that the progress bar shows for a picture: that of its file, where it has one."""
    return Path(picture).name if isinstance(picture, str | os.PathLike) else "picture"
