"""The published figures of Deep Generative Prior, computed by this engine; needs its weights and ImageNet.

    python benchmarks/published/reproduce_dgp.py --weights pretrained/ --imagenet ILSVRC2012/val/ -o reproduce-dgp
    python benchmarks/published/reproduce_dgp.py --weights pretrained/ --imagenet val/ --list val_1k.txt --count 50

Protocol: the lowest-numbered validation picture of each class; its centred square, resized bilinearly to 128 pixels;
the class is given; the settings of `experiments/imagenet1k_128` of the published code. `--imagenet` is a folder with a
folder for each class (sorted by name), or a folder of all pictures together with a `--list` of lines "file class", such
as the published `scripts/imagenet_val_1k.txt`. `--count` takes pictures that are spread over the classes; a larger
count includes the pictures of a smaller one. Finished results are kept in `-o`, so the script can be stopped and
restarted.

A picture takes almost an hour for each task on one CPU thread; the authors state one to two minutes on a GPU.
`--at-once` pictures are inverted together, each of which needs the memory of a generator and its optimiser.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from command import add_run_options, new_parser, run
from PIL import Image

import generators
from dgp.device import resolve_device
from dgp.errors import InputError
from dgp.evaluation import Evaluation, statistics
from dgp.evaluation.source import CleanPicture, van_der_corput
from dgp.files import write_bytes_atomic, write_json_atomic
from dgp.observation.images import open_picture, to_tensor
from dgp.output import metrics
from dgp.progress import is_interactive
from dgp.recipes.load import load_recipe, recipe_names

ISSUE = "issue 9 of the published code"
PAPER = "in the paper (arXiv 2003.13659), not confirmed by a source that we could open"


@dataclass(frozen=True)
class Task:
    """A published experiment.

    Attributes:
        recipe: the recipe for 128 pixels.
        degradation: the spec.
        source: where the published figures are stated.
        published: PSNR in dB and SSIM in %, if a source confirms them.
        psnr: the metric that follows the published convention of PSNR.
        ssim: the metric that follows the published convention of SSIM.
        settings: overrides of the recipe.
    """

    recipe: str
    degradation: str
    source: str
    published: tuple[float, float] | None = None
    psnr: str = "psnr"
    ssim: str = "ssim_published"
    settings: tuple[str, ...] = ()


# SSIM follows the published convention: a data range of 2 on pictures in [0, 1]. Colourisation is measured with L* of
# the original, and inpainting inside the hole only.
TASKS = {
    "reconstruction": Task("dgp-reconstruction", "identity", f"Table 1, as quoted in {ISSUE}", (32.89, 95.95)),
    "reconstruction-by-colorization": Task(
        "dgp-colorization",
        "identity",
        f"a user's run with the values for colourisation, {ISSUE}",
        (25.69, 85.12),
        settings=("finish.kind=none",),
    ),
    "colorization": Task("dgp-colorization", "gray:luma=dgp", PAPER, psnr="psnr_published"),
    "inpainting": Task("dgp-inpainting", "inpaint:center=1/3", PAPER, psnr="psnr_unobserved", ssim="ssim_hole"),
    "sr-d": Task("dgp-sr-d", "sr-dgp", PAPER),
    "sr-mse": Task("dgp-sr-mse", "sr-dgp", PAPER),
}


def choose_pictures(folder: Path, listing: Path | None, classes: int, count: int | None) -> list[CleanPicture]:
    """Return the pictures of the protocol by class; `folder` of each is the number of its class."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected the validation pictures of ImageNet")
    pairs = _read_list(folder, listing) if listing else _first_of_each(folder, classes)
    if count is not None and count > len(pairs):
        raise InputError(f"got --count {count}, but the protocol has {len(pairs)} pictures")
    indices = sorted(van_der_corput(len(pairs))[: count or len(pairs)])
    opened = [(path, number, open_picture(path)) for path, number in (pairs[i] for i in indices)]
    return [CleanPicture(path.name, str(number), picture, picture.sha256) for path, number, picture in opened]


def _read_list(folder: Path, listing: Path) -> list[tuple[Path, int]]:
    pairs = [line.rsplit(maxsplit=1) for line in listing.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not pairs or not all(len(pair) == 2 and pair[1].isdigit() for pair in pairs):
        raise InputError(f"{listing}: expected lines of a file's name and the number of its class")
    return [(folder / name, int(number)) for name, number in pairs]


def _first_of_each(folder: Path, classes: int) -> list[tuple[Path, int]]:
    folders = sorted(path for path in folder.iterdir() if path.is_dir())
    if len(folders) != classes:
        raise InputError(
            f"{folder}: got {len(folders)} folders, expected one for each of the {classes} classes; "
            "for pictures that lie side by side, name their classes by --list"
        )
    files = [
        sorted(path for path in own.iterdir() if path.suffix.lower() in (".jpeg", ".jpg", ".png")) for own in folders
    ]
    if empty := [own.name for own, found in zip(folders, files, strict=True) if not found]:
        raise InputError(f"{folder / empty[0]}: no pictures in it; expected those of one class")
    return [(found[0], number) for number, found in enumerate(files)]


def evaluation_of(
    name: str, pictures: list[CleanPicture], prior: generators.Prior, options: argparse.Namespace
) -> Evaluation:
    """Return the evaluation of a task; its recipe is the one for the prior's resolution, if there is one."""
    task = TASKS[name]
    larger = f"{task.recipe}-{prior.generator.info.resolution}"
    recipe = load_recipe(larger if larger in recipe_names() else task.recipe, (*task.settings, *options.overrides))
    return Evaluation(
        pictures=pictures,
        degradations=[task.degradation],
        recipes={recipe.name: recipe},
        prior=prior,
        folder=options.output / name,
        seed=options.seed,
        device=resolve_device(options.device),
        at_once=options.at_once,
        baselines=False,
    )


def figures(name: str, evaluation: Evaluation) -> dict:
    """Return the published figures of a task, and ours: {"psnr": {n, mean, low, high}, "ssim": the same in %}."""
    task, arm = TASKS[name], evaluation.arms[0]
    found = evaluation.write()["results"][task.degradation][arm.name]
    if task.ssim == "ssim_hole":
        found |= statistics.means({p: {"ssim_hole": v} for p, v in _ssim_of_holes(evaluation).items()})
    ssim = {key: value if key == "n" else 100 * value for key, value in found[task.ssim].items()}
    published = dict(zip(("psnr", "ssim"), task.published or (None, None), strict=True))
    ours = {"psnr": found[task.psnr], "ssim": ssim}
    return {"recipe": arm.name, "published": published, "source": task.source, "ours": ours}


def _ssim_of_holes(evaluation: Evaluation) -> dict[str, float]:
    """Return the SSIM, by the published convention, of the hole cropped from each stored picture."""
    arm, (spec,) = evaluation.arms[0], evaluation.degradations
    values = {}
    for picture, _, path in evaluation.answers(arm, spec):
        observation = evaluation.observation(picture, spec)
        original = observation.original[0]
        hidden = observation.degradation.unobserved(tuple(original.shape[-2:]))[0]
        rows, columns = (slice(index.min(), index.max() + 1) for index in hidden.nonzero(as_tuple=True))
        values[picture.name] = metrics.ssim_published(
            *(x[:, rows, columns] for x in (to_tensor(Image.open(path))[0], original))
        )
    return values


def table(found: dict[str, dict], pictures: int) -> str:
    """Return the figures as a table in Markdown."""
    head = ("task", "recipe", "PSNR, published", "PSNR, ours", "SSIM %, published", "SSIM %, ours", "published figures")
    lines = [
        f"n = {pictures} pictures; in brackets the {statistics.INTERVAL:.0%} bootstrap interval of the mean.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
    ]
    for name, row in found.items():
        cells = [name, row["recipe"]]
        for metric in ("psnr", "ssim"):
            published, ours = row["published"][metric], row["ours"][metric]
            cells.append("-" if published is None else f"{published:.2f}")
            cells.append(f"{ours['mean']:.2f} [{ours['low']:.2f}, {ours['high']:.2f}]")
        lines.append("| " + " | ".join([*cells, row["source"]]) + " |")
    return "\n".join(lines) + "\n"


def reproduce(options: argparse.Namespace) -> dict:
    """Compute the missing results, write table.md and figures.json, and return the content of the latter."""
    from tqdm import tqdm

    path = options.weights / f"G_ema_{options.resolution}.pth"
    prior = generators.load(path if path.is_file() else options.weights)
    info = prior.generator.info
    if info.resolution != options.resolution:
        raise InputError(f"{options.weights}: got a prior of {info.resolution} px; give --resolution {info.resolution}")
    pictures = choose_pictures(options.imagenet, options.list, len(info.classes), options.count)
    runs = {name: evaluation_of(name, pictures, prior, options) for name in options.task or TASKS}
    for evaluation in runs.values():
        evaluation.folder.mkdir(parents=True, exist_ok=True)
        evaluation.check()
    found = {}
    with tqdm(
        total=sum(e.remaining_steps for e in runs.values()), unit="step", file=sys.stderr, disable=not is_interactive()
    ) as bar:
        for name, evaluation in runs.items():
            evaluation.run(lambda count, text: bar.update(count))
            found[name] = figures(name, evaluation)
    record = {
        "schema": 1,
        "pictures": len(pictures),
        "prior": {"name": prior.name, "sha256": prior.sha256},
        "tasks": found,
    }
    write_bytes_atomic(options.output / "table.md", table(found, len(pictures)).encode())
    write_json_atomic(options.output / "figures.json", record)
    return record


def main(arguments: list[str] | None = None) -> dict:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--weights", type=Path, required=True, help="the folder of DGP's weights (G_ema_128.pth, D_128.pth), or a file"
    )
    parser.add_argument("--imagenet", type=Path, required=True, help="the folder of the validation pictures")
    parser.add_argument("--list", type=Path, help="a file with lines of a picture's name and the number of its class")
    parser.add_argument(
        "--resolution", type=int, default=128, help="resolution of the weights; figures are published for 128"
    )
    parser.add_argument("--task", action="append", choices=TASKS, help="repeatable (default: all)")
    parser.add_argument("--count", type=int, help="how many of the pictures (default: all)")
    add_run_options(parser, "reproduce-dgp")
    return run(reproduce, parser.parse_args(arguments), "table.md")


if __name__ == "__main__":
    main()
